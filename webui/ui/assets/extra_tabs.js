// The tabs under the prompts, as in A1111: the form, or cards in its place. The results stay where they are.
(() => {
  const D = window.darkroom;
  const { byId } = D;
  const TASK = "txt2img";
  const FORM = "generation";
  const KINDS = { textual_inversion: "embedding", checkpoints: "checkpoint", lora: "lora" };
  const PARTS = { search: "extra_search", sort: "extra_sort", order: "extra_sort_dir", folders: "tree", grid: "cards", count: "count", empty: "empty", more: "more" };
  // Where there is no room beside them, pictures come before cards once they are asked for.
  const narrow = matchMedia("(max-width: 720px)");
  const lists = {};
  let chosen = FORM;

  const row = () => byId(`${TASK}_extra_tabs`);
  const isShown = (name) => chosen === name && D.shell.state.tab === `tab_${TASK}`;

  function list(name) {
    const ids = Object.fromEntries(Object.entries(PARTS).map(([part, end]) => [part, `${TASK}_${name}_${end}`]));
    lists[name] ||= D.cardList({ ids, kind: KINDS[name], isShown: () => isShown(name), kept: `cards-${name}` });
    return lists[name];
  }

  function open(name, focus = false) {
    chosen = name;
    draw();
    if (focus) byId(`${TASK}_${name}-button`).focus();
    return name === FORM ? null : list(name).open();
  }

  // Gradio draws a tab's contents anew when it is opened.
  function draw() {
    for (const tab of row()?.children || []) {
      const on = tab.dataset.tab === chosen;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      const panel = tab.dataset.tab !== FORM && byId(`${TASK}_${tab.dataset.tab}`);
      if (panel) panel.hidden = !on;
    }
    D.toggle(document.documentElement, "data-cards", chosen !== FORM);
  }

  function press(event) {
    const tabs = [...row().children], at = tabs.indexOf(event.target);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined || event.altKey || event.ctrlKey) return;
    event.preventDefault();
    open(tabs[(to + tabs.length) % tabs.length].dataset.tab, true);
  }

  document.addEventListener("click", ({ target }) => {
    const tab = target.closest?.(`#${TASK}_extra_tabs [role=tab]`);
    if (tab) open(tab.dataset.tab);
    else if (narrow.matches && chosen !== FORM && target.closest?.(`#${TASK}_generate`)) open(FORM);
  });
  document.addEventListener("keydown", (event) => { if (event.target.closest?.(`#${TASK}_extra_tabs`)) press(event); });
  D.on("drawn", () => {
    // A screen reader goes from the tab to the form.
    byId(`${TASK}_settings`)?.setAttribute("role", "tabpanel");
    byId(`${TASK}_settings`)?.setAttribute("aria-labelledby", `${TASK}_${FORM}-button`);
  });
  D.on("tab", (id) => {
    if (id !== `tab_${TASK}`) return;
    draw();
    if (chosen !== FORM) list(chosen).load();
  });
  D.extraTabs = { open, chosen: () => chosen };
})();
