// The keyboard: A1111's shortcuts, tabs by number, search, and one dialog that lists them.
(() => {
  const D = window.darkroom;
  const { t, el, byId } = D;
  const LIST = [
    ["Ctrl + Enter", "key_generate"], ["Alt + Enter", "key_skip"], ["Esc", "key_interrupt"],
    ["Ctrl + ↑ ↓", "key_weigh"], ["Alt + ← →", "key_move"], ["Alt + 1 … 9", "key_tab"], ["Delete", "key_delete"], ["/", "key_search"], ["?", "key_help"],
  ];
  const SEARCH = { tab_gallery: "gallery_search", tab_models: "models_search", tab_settings: "settings_search" };
  const typing = (node) => node?.matches?.("input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]");
  let sure = 0;

  function press(event) {
    if (document.querySelector("dialog[open]")) return;
    const command = event.ctrlKey || event.metaKey;
    const handled =
      event.key === "Enter" && command ? generate()
      : event.key === "Enter" && event.altKey ? act(D.make.skip)
      : event.key === "Escape" ? interrupt(event)
      : event.altKey && /^Digit[1-9]$/.test(event.code) ? tab(Number(event.code.slice(5)))
      : !typing(event.target) && !command && !event.altKey && event.key === "/" ? search()
      : !typing(event.target) && !command && !event.altKey && event.key === "?" ? help()
      : false;
    if (handled) { event.preventDefault(); event.stopPropagation(); }
  }

  // A control that is being typed in hands its value over when it is left; a press of the button leaves nothing.
  function generate() {
    const field = document.activeElement;
    if (field?.matches("input[type=number], .wrap-inner input")) field.blur();
    setTimeout(() => byId("txt2img_generate")?.click(), 30);
    return true;
  }

  function act(call) {
    call();
    return true;
  }

  // More than half a minute of work is not thrown away by one key.
  function interrupt(event) {
    const job = D.jobs.active();
    // There it closes what is open.
    if (!job || event.target.closest?.(".wrap-inner") || document.querySelector(":popover-open")) return false;
    const seconds = job.started ? Date.now() / 1000 - job.started : 0;
    if (job.state === "running" && seconds > 30 && Date.now() - sure > 4000) {
      sure = Date.now();
      D.shell.notice(t("esc_sure"));
      return true;
    }
    return act(D.make.interrupt);
  }

  function tab(number) {
    const buttons = [...document.querySelectorAll("#tabs > .tab-wrapper [role=tab]")];
    buttons[number - 1]?.click();
    return buttons.length >= number;
  }

  function search() {
    const field = byId(SEARCH[D.shell.state.tab]);
    field?.focus();
    return Boolean(field);
  }

  function help() {
    let dialog = byId("dk_keys");
    if (!dialog) {
      dialog = el("dialog", { id: "dk_keys", "aria-labelledby": "dk_keys_title" },
        el("h2", { id: "dk_keys_title" }, t("keys")),
        el("dl", {}, ...LIST.flatMap(([keys, key]) => [el("dt", {}, keys), el("dd", {}, t(key))])),
        el("button", { type: "button", class: "dk-button", onclick: () => dialog.close() }, t("close")));
      dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
      document.querySelector(".gradio-container").append(dialog);
    }
    dialog.showModal();
    return true;
  }

  // Typing into a dropdown replaces the name instead of being added to it.
  document.addEventListener("focusin", (event) => {
    if (event.target.matches?.(".wrap-inner input")) event.target.select();
  });
  document.addEventListener("keydown", press, true);
  D.onClick("dk_help", help);
})();
