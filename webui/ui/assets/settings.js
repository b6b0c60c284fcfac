// The Settings tab: values come from the API when it opens, changes go back as one PATCH, problems stand by their row.
(() => {
  const D = window.darkroom;
  const { t, el, byId } = D;
  // What a list of names is chosen from, by catalogue: rows with name, title and perhaps a problem.
  const catalogues = { extensions: [], quicksettings: [], samplers: [],
    whitespace: ["Tab", "Carriage Return", "Line Feed"].map((name) => ({ name, title: name })) };
  let saved = {};
  // What the controls were filled with; what differs from it a person has set and not saved.
  let filled = {};
  // Which settings are lists of names: the catalogue, and whether the ticks stand for those that are not in the list.
  let lists = {};
  // The ways to compute attention, of which some cannot serve here.
  let attention = [];
  // What the page can be read in.
  let languages = [];

  // Until the values are there, nothing can be set that they would write over.
  function busy(on) {
    for (const id of ["settings_body", "settings_submit"]) byId(id).inert = on;
    byId("settings_body").setAttribute("aria-busy", String(on));
  }

  async function load() {
    busy(true);
    try {
      const [settings, found] = await Promise.all([D.api("GET", "settings"), D.api("GET", "extensions"), loadAttention()]);
      saved = settings.values;
      languages = settings.schema.properties.localization.enum;
      catalogues.extensions = found.extensions;
      catalogues.quicksettings = Object.entries(settings.schema.properties)
        .filter(([name, { type, panels }]) => type !== "array" && !panels && name !== "sd_text_encoders")
        .map(([name]) => ({ name, title: t(name === "sd_vae" ? "modules" : `setting_${name}`) }));
      catalogues.samplers = D.extensions.samplers.map(([name]) => ({ name, title: name }));
      report();
      D.settingPanels.draw(saved.extensions);
      byId("settings_fill").click();
    } catch (problem) {
      busy(false);
      D.shell.notice(problem.message, "err");
    }
  }

  // Gradio asks what each control is to become. What was set and not saved before another tab was looked at stays.
  function take(names, known, values) {
    lists = known;
    return names.map((name, at) => {
      const own = name in filled && !same(values[at], filled[name]);
      if (own || !(name in saved)) return { __type__: "update" };
      filled[name] = lists[name] ? turned(name, saved[name]) : saved[name];
      return lists[name] ? chosen(name) : single(name, saved[name]);
    });
  }

  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

  async function loadAttention() {
    attention = (await D.api("GET", "attention").catch(() => ({ attention }))).attention;
  }

  // What there is to choose from where the page was not drawn with it: rows of label and value.
  const choices = {
    // What cannot serve on this machine stays to be chosen, as the worker falls back, and says why.
    attention: () => attention.map((row) => [row.available ? row.title : t("attention_unavailable", row), row.name]),
    // One whose extension is gone stays as it was set.
    localization: (value) => [...new Set([...languages, value])].map((tag) => [languageName(tag), tag]),
  };

  function single(name, value) {
    const rows = choices[name]?.(value) || [];
    return rows.length ? { __type__: "update", choices: rows, value } : value;
  }

  // As those who speak it call it.
  function languageName(tag) {
    if (tag === "None") return t("language_of_browser");
    const known = languages.includes(tag);
    let name = tag;
    try { name = new Intl.DisplayNames([tag], { type: "language" }).of(tag); } catch { /* no browser knows it */ }
    return known ? name : t("settings_not_found", { name });
  }

  // The names of a list's boxes. One that is in the list and no longer found can still be taken off.
  const boxes = (name) => [...new Set([...saved[name], ...catalogues[lists[name].catalogue].map((row) => row.name)])];

  // From the list to the ticks, and from the ticks to the list: it is the same step.
  const turned = (name, value) => (lists[name].inverted ? boxes(name).filter((one) => !value.includes(one)) : value);

  function chosen(name) {
    const rows = new Map(catalogues[lists[name].catalogue].map((row) => [row.name, [row.title, row.version].filter(Boolean).join(" ")]));
    const choices = boxes(name).map((one) => [rows.get(one) ?? t("settings_not_found", { name: one }), one]);
    return { __type__: "update", choices, value: turned(name, saved[name]) };
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

  // Those that stand in the head: filled when it is known that the owner asks, sent soon after they are changed.
  let heads = null;

  async function fillPinned() {
    if (heads || !byId("quicksettings_fill") || D.shell.state.you?.level !== "owner") return;
    heads = {};
    const [answer] = await Promise.all([D.api("GET", "settings").catch(() => null), loadAttention()]);
    heads = answer && { ...answer.values };
    if (answer) languages = answer.schema.properties.localization.enum;
    if (heads) byId("quicksettings_fill").click();
  }

  const takePinned = (names) => {
    const found = names.map((name) => (heads && name in heads ? single(name, heads[name]) : { __type__: "update" }));
    return found.length === 1 ? found[0] : found;
  };

  const waiting = {};
  const send = D.later(async () => {
    const changes = Object.fromEntries(Object.entries(waiting).filter(([name, value]) => heads[name] !== value));
    for (const name of Object.keys(waiting)) delete waiting[name];
    if (!Object.keys(changes).length) return;
    try {
      heads = (await D.api("PATCH", "settings", changes)).values;
      await D.shell.refresh();
    } catch (problem) {
      D.shell.notice(problem.message, "err");
      byId("quicksettings_fill")?.click();
    }
  }, 400);

  function pinned(name, value) {
    if (!heads || !(name in heads)) return;
    waiting[name] = value;
    send();
  }

  async function save(names, values) {
    clear();
    // What could not be read cannot be compared with what is set here, nor be written over.
    if (!Object.keys(saved).length) { await load(); return; }
    const given = D.form.named(names, values);
    const shown = { ...given };
    for (const name of Object.keys(lists)) given[name] = turned(name, given[name]);
    const changed = Object.fromEntries(Object.entries(given).filter(([name, value]) => !same(value, saved[name])));
    const extensions = D.settingPanels.changes();
    if (extensions) changed.extensions = extensions;
    if (!Object.keys(changed).length) { D.shell.notice(t("settings_same")); return; }
    try {
      saved = (await D.api("PATCH", "settings", changed)).values;
      filled = shown;
      D.settingPanels.draw(saved.extensions);
      // The page follows them before it says so.
      await D.shell.refresh();
      if ("localization" in changed) {
        D.shell.notice(t("settings_language"), "", { text: t("ext_reload"), call: () => location.reload() });
        return;
      }
      const later = Object.keys(changed).filter((name) => byId(`row_${name}`)?.querySelector("[data-t=settings_restart]"));
      const labels = later.map((name) => byId(`row_${name}`).querySelector("p").textContent);
      D.shell.notice(later.length ? t("settings_saved_later", { names: labels.join(", ") }) : t("settings_saved"));
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

  function clear(place = byId("settings_sections")) {
    for (const note of place.querySelectorAll(".dk-field-error")) {
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

  document.addEventListener("input", ({ target }) => {
    if (target.id === "settings_search") search(target.value);
    // What was wrong with a value is no longer said once it is another.
    const row = target.closest?.(".dk-setting.dk-invalid");
    if (row) clear(row);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("#settings_nav a");
    if (!link) return;
    event.preventDefault();
    goTo(link.getAttribute("href"));
  });

  // Where the page was sent. It may grow meanwhile, when the values come; then it is sent on, until a person moves it.
  let goal = null;
  function goTo(section) {
    goal = document.querySelector(section);
    goal?.scrollIntoView({ block: "start", behavior: "smooth" });
  }
  for (const act of ["wheel", "touchmove", "pointerdown", "keydown"]) {
    document.addEventListener(act, () => { goal = null; }, { passive: true, capture: true });
  }
  const grown = new ResizeObserver(() => {
    if (D.shell.state.tab !== "tab_settings") return;
    goal?.scrollIntoView({ block: "start", behavior: "smooth" });
    mark();
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
    grown.observe(byId("settings_sections"));
    load();
  });
  D.on("start", fillPinned);
  D.settings = { take, filled: () => busy(false), save, pinned, takePinned };
})();
