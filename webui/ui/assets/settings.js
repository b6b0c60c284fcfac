// The Settings tab: values come from the API when it opens, changes go back as one PATCH, problems stand by their row.
(() => {
  const D = window.darkroom;
  const { t, el, byId } = D;
  let saved = {};

  async function load() {
    try {
      const answer = await D.api("GET", "settings");
      saved = answer.values || answer;
      byId("settings_fill").click();
    } catch (problem) {
      D.shell.notice(problem.message, "err");
    }
  }

  const take = (names, lists) => names.map((name) =>
    name in saved ? (lists.includes(name) ? saved[name].join(", ") : saved[name]) : { __type__: "update" });

  async function save(names, values, lists) {
    clear();
    const given = D.form.named(names, values);
    for (const name of lists) if (name in given) given[name] = given[name].split(",").map((part) => part.trim()).filter(Boolean);
    const changed = Object.fromEntries(Object.entries(given).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(saved[name])));
    if (!Object.keys(changed).length) { D.shell.notice(t("settings_same")); return; }
    try {
      const answer = await D.api("PATCH", "settings", changed);
      saved = answer.values || answer;
      D.shell.notice(t("settings_saved"));
      await D.shell.refresh();
    } catch (problem) {
      show(problem);
    }
  }

  function show(problem) {
    const row = problem.field && byId(`row_${problem.field}`);
    if (!row) { D.shell.notice(problem.message, "err"); return; }
    const note = el("div", { class: "dk-field-error", role: "alert" }, el("span", {}, problem.detail));
    row.append(note);
    row.classList.add("dk-invalid");
    row.scrollIntoView({ block: "center" });
    row.querySelector("input, textarea")?.focus({ preventScroll: true });
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
    mark(link);
  });
  function mark(link) {
    for (const other of document.querySelectorAll("#settings_nav a")) other.toggleAttribute("aria-current", other === link);
  }
  D.on("tab", (id) => {
    if (id !== "tab_settings") return;
    const first = document.querySelector("#settings_nav a");
    if (first && !document.querySelector("#settings_nav a[aria-current]")) mark(first);
    load();
  });
  D.settings = { take, save };
})();
