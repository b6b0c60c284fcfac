// The Settings tab: values come from the API when it opens, changes go back as one PATCH, problems stand by their row.
(() => {
  const D = window.darkroom;
  const { t, el, byId } = D;
  // What a list of names is chosen from, by catalogue: rows with name, title and perhaps a problem.
  const catalogues = { extensions: [] };
  let saved = {};

  async function load() {
    try {
      const [settings, found] = await Promise.all([D.api("GET", "settings"), D.api("GET", "extensions")]);
      saved = settings.values;
      catalogues.extensions = found.extensions;
      report();
      byId("settings_fill").click();
    } catch (problem) {
      D.shell.notice(problem.message, "err");
    }
  }

  // Gradio asks what each control is to become; `lists` says which are lists of names, and of which catalogue.
  const take = (names, lists) => names.map((name) =>
    !(name in saved) ? { __type__: "update" } : lists[name] ? chosen(saved[name], catalogues[lists[name]]) : saved[name]);

  // A name that is chosen and no longer found can still be taken off.
  function chosen(value, rows) {
    const labels = new Map([...value.map((name) => [name, name]), ...rows.map((row) => [row.name, [row.title, row.version].filter(Boolean).join(" ")])]);
    return { __type__: "update", choices: [...labels].map(([name, label]) => [label, name]), value };
  }

  function report() {
    for (const place of document.querySelectorAll("#settings_sections [data-reports]")) {
      const rows = catalogues[place.dataset.reports];
      place.replaceChildren(
        ...(rows.length ? [] : [el("p", { class: "dk-second" }, t("settings_no_extensions"))]),
        ...rows.filter((row) => row.enabled && row.problem).map((row) =>
          el("p", { class: "dk-problem" }, t("settings_left_out", { title: row.title, problem: row.problem }))));
    }
  }

  async function save(names, values) {
    clear();
    const given = D.form.named(names, values);
    const changed = Object.fromEntries(Object.entries(given).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(saved[name])));
    if (!Object.keys(changed).length) { D.shell.notice(t("settings_same")); return; }
    try {
      saved = (await D.api("PATCH", "settings", changed)).values;
      const later = Object.keys(changed).filter((name) => byId(`row_${name}`)?.querySelector("[data-t=settings_restart]"));
      const labels = later.map((name) => byId(`row_${name}`).querySelector("p").textContent);
      D.shell.notice(later.length ? t("settings_saved_later", { names: labels.join(", ") }) : t("settings_saved"));
      await D.shell.refresh();
    } catch (problem) {
      show(problem);
    }
  }

  // Each fault stands by its row; one whose row cannot be seen is a message.
  function show(problem) {
    let first = null;
    for (const fault of problem.errors?.length ? problem.errors : [problem]) {
      const row = fault.field && byId(`row_${fault.field}`);
      if (!row?.offsetParent) { D.shell.notice(fault.detail, "err"); continue; }
      row.append(el("div", { class: "dk-field-error", role: "alert" }, el("span", {}, fault.detail)));
      row.classList.add("dk-invalid");
      first ??= row;
    }
    first?.scrollIntoView({ block: "center" });
    first?.querySelector("input, textarea")?.focus({ preventScroll: true });
  }

  function clear() {
    for (const note of document.querySelectorAll("#settings_sections .dk-field-error")) {
      note.parentElement.classList.remove("dk-invalid");
      note.remove();
    }
  }

  // Rows without the words are hidden, and sections without rows.
  function search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const section of document.querySelectorAll("#settings_sections .dk-section")) {
      const title = section.querySelector("h2").textContent.toLowerCase();
      let here = 0;
      for (const row of section.querySelectorAll(".dk-setting")) {
        const about = `${title} ${row.id} ${row.textContent.toLowerCase()}`;
        const hit = words.every((word) => about.includes(word));
        row.hidden = !hit;
        here += hit;
      }
      section.hidden = !here;
      const link = document.querySelector(`#settings_nav a[href="#${section.id}"]`);
      if (link) link.hidden = !here;
      found += here;
    }
    byId("settings_none").hidden = found > 0;
  }

  document.addEventListener("input", (event) => { if (event.target.id === "settings_search") search(event.target.value); });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("#settings_nav a");
    if (!link) return;
    event.preventDefault();
    document.querySelector(link.getAttribute("href"))?.scrollIntoView({ block: "start", behavior: "smooth" });
  });

  // The section that is being read: the last that has reached the upper part of the window; at the end the last one.
  function mark() {
    const links = [...document.querySelectorAll("#settings_nav a:not([hidden])")];
    const top = (link) => document.querySelector(link.getAttribute("href")).getBoundingClientRect().top;
    const end = scrollY > 0 && innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
    const read = end ? links[links.length - 1] : links.filter((link) => top(link) < innerHeight / 4).pop() || links[0];
    for (const link of document.querySelectorAll("#settings_nav a")) {
      if (link === read) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }
  document.addEventListener("scroll", () => { if (D.shell.state.tab === "tab_settings") mark(); }, { passive: true });

  D.on("tab", (id) => {
    if (id !== "tab_settings") return;
    mark();
    load();
  });
  D.settings = { take, save };
})();
