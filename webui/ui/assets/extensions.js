// The Extensions tab: a card for each extension, its switch and details, what waits for the next start, the lists.
(() => {
  const D = window.darkroom;
  const { t, el, byId, setText } = D;
  // What was last heard of each kind; `open` are the cards whose details are shown.
  let state = { extensions: [], restart: false, locked: null, safe_mode: false, work: null };
  let index = { found: [], problems: [] };
  // What the last check from this page could not find out, or found to be the newest.
  let checked = new Map();
  const open = new Set();
  const tab = () => D.shell.state.tab === "tab_extensions" && byId("extensions_list");
  // A pasted address is no word to look for.
  const isAddress = (said) => /:\/\/|^pypi:|==|^\w[\w.-]*@[\w.-]+:|^[~/.]|^[A-Za-z]:\\|\.(zip|tar|tgz|tar\.\w+)$/.test(said.trim());
  const words = () => {
    const said = byId("extensions_search")?.value || "";
    return isAddress(said) ? [] : said.toLowerCase().split(/\s+/).filter(Boolean);
  };

  async function load() {
    try {
      state = await D.api("GET", "extensions");
      state.extensions = state.extensions.map((one) => {
        const { title = one.title, description = one.description } = D.words(one.name);
        return { ...one, title, description };
      }).sort((a, b) => a.title.localeCompare(b.title, undefined, { numeric: true }) || a.folder.localeCompare(b.folder));
    } catch (problem) {
      D.shell.notice(problem.message, "err");
      return;
    }
    draw();
    if (state.work) D.extensionWorks.adopt(state.work);
  }

  function draw() {
    if (!tab()) return;
    const wanted = words();
    const shown = state.extensions.filter((one) => wanted.every((word) => text(one).includes(word)));
    byId("extensions_list").replaceChildren(...shown.map(card));
    const said = state.locked || (state.safe_mode ? t("ext_safe_mode") : "");
    setText(byId("extensions_locked"), said);
    byId("extensions_locked").hidden = !said;
    byId("extensions_restart").hidden = !state.restart;
    for (const button of document.querySelectorAll("#extensions_area [data-changes]")) button.disabled = Boolean(state.locked);
    say(state.extensions.length ? (shown.length || index.found.length ? "" : t("ext_none_words")) : t("ext_none_title"), state.extensions.length ? "" : t("ext_none"));
    drawIndex();
  }

  const text = (one) => `${one.name} ${one.title} ${one.description} ${one.author} ${Object.keys(one.contributes).join(" ")}`.toLowerCase();

  function say(title, more) {
    byId("extensions_empty").replaceChildren(...(title ? [el("h2", {}, title), ...(more ? [el("p", {}, more)] : [])] : []));
  }

  // What the next start brings comes before what this one has brought: it is the newer.
  function note(one) {
    if (one.next === "removed" && one.problem) return [one.problem, "warn"];
    // What was left out may be off already: why is said first.
    if (one.next === "off" && one.problem) return [`${one.problem} ${t("ext_next_off")}.`, "err"];
    if (one.next_problem) return [`${t("ext_next_left_out")}. ${one.next_problem}`, "err"];
    if (one.next) return [t(`ext_next_${one.next}`, { version: one.next_version }), "warn"];
    if (one.problem && one.enabled) return [`${t("ext_left_out")}. ${one.problem}`, "err"];
    if (!one.on) return [t("ext_off"), ""];
    if (one.missing.length) return [one.missing.length === 1 ? t("ext_needs_one") : t("ext_needs_many", { n: one.missing.length }), "warn"];
    const failed = one.ok ? one.hooks.reduce((sum, { errors }) => sum + errors, 0) : 0;
    const fails = failed && (failed === 1 ? t("ext_loaded_failed_one") : t("ext_loaded_failed", { n: failed.toLocaleString("en") }));
    const newer = one.newest && t("ext_update_to", { version: one.newest });
    if (fails || newer) return [[fails, newer].filter(Boolean).join(". "), "warn"];
    const found = one.source && checked.get(one.name);
    if (found?.problem) return [found.problem, "err"];
    return [found ? t("ext_newest") : t(one.ok ? "ext_loaded" : "ext_not_loaded"), one.ok ? "ok" : ""];
  }

  // As in the names of Python's packages, - and _ count as the same.
  const isTwin = (one, other) => one.folder !== other.folder && one.name.replaceAll("-", "_") === other.name.replaceAll("-", "_");

  function origin(one) {
    if (!one.source && one.bundled) return t("ext_own");
    if (!one.source) {
      const folder = one.folder.split(/[\\/]/).slice(-2);
      const meets = state.extensions.some((other) => isTwin(one, other) || (other.folder !== one.folder && other.title === one.title));
      return meets || folder.at(-1) !== one.name ? t("ext_by_hand_in", { folder: folder.join("/") }) : t("ext_by_hand");
    }
    const pin = one.source.kind === "git" ? one.pin.slice(0, 10) : one.source.kind === "package" ? one.pin : "";
    return [one.source.address.replace(/^https:\/\//, ""), pin].filter(Boolean).join(" @ ");
  }

  function card(one) {
    const [said, mood] = note(one);
    const shown = open.has(one.folder);
    // Another one for each folder: `a-b` and `a_b` may both be there.
    const id = `extension_${one.folder.replace(/\W/gu, (sign) => `-${sign.codePointAt(0).toString(16)}-`)}`;
    const node = el("div", { role: "listitem", class: "dk-ext", "data-name": one.name, "data-folder": one.folder, "data-off": !one.on },
      el("button", { type: "button", role: "switch", class: "dk-switch", "aria-checked": String(one.on), "aria-label": t("ext_switch", one),
        disabled: Boolean(state.locked) || one.next === "removed", onclick: (event) => turn(one, event.currentTarget) }, el("i")),
      el("div", { class: "dk-what" },
        el("p", { class: "dk-ext-name" }, one.title, " ", el("span", { class: "dk-second" }, one.version)),
        one.description ? el("p", {}, one.description) : null,
        el("p", { class: "dk-second" }, origin(one))),
      el("p", { class: "dk-state", "data-mood": mood }, el("span", {}, said)),
      el("div", { class: "dk-row-acts" },
        one.newest && !one.next
          ? el("button", { type: "button", class: "dk-act", disabled: Boolean(state.locked), "aria-label": t("ext_dialog_update", one), onclick: () => D.extensionWorks.update(one) }, t("ext_update")) : null,
        el("button", { type: "button", class: "dk-act", "aria-expanded": String(shown), "aria-controls": id, "aria-label": t("ext_details_of", one),
          onclick: () => { open[shown ? "delete" : "add"](one.folder); redraw(one.folder); } }, t("ext_details"))),
      ...(shown ? [details(one, id)] : []));
    return node;
  }

  function redraw(folder) {
    const at = [...byId("extensions_list").children].find((node) => node.dataset.folder === folder);
    const next = card(state.extensions.find((one) => one.folder === folder));
    at.replaceWith(next);
    next.querySelector("[aria-expanded]").focus();
  }

  // Bring a card into sight, as one that was just installed.
  function show(name) {
    const place = [...byId("extensions_list").children].find((node) => node.dataset.name === name);
    place?.scrollIntoView({ block: "nearest" });
    place?.querySelector("[aria-expanded]").focus({ preventScroll: true });
  }

  function details(one, id) {
    const rows = [
      ["fact_ext_brings", brings(one)],
      ["fact_ext_permissions", one.permissions.map(({ means }) => means).join("; ") || t("ext_no_permissions")],
      ["fact_ext_packages", one.dependencies.join(", ")],
      ["fact_ext_requires", one.requires.join(", ")],
      ["fact_ext_time", times(one)],
      ["fact_ext_from", one.source && [one.source.address, one.source.wanted].filter(Boolean).join(" @ ")],
      ["fact_ext_pin", one.pin],
      ["fact_ext_sum", one.sha256],
      ["fact_ext_installed", one.installed && D.moment(one.installed)],
      ["fact_ext_author", one.author],
      ["fact_ext_licence", one.license],
      ["fact_ext_links", links(one)],
    ].filter(([, value]) => [value || []].flat().length);
    const traces = [["", one.trace], ...one.hooks.map(({ hook, trace }) => [hook, trace])].filter(([, trace]) => trace);
    return el("div", { class: "dk-ext-details", id },
      el("dl", {}, ...rows.flatMap(([key, value]) => [el("dt", {}, t(key)), el("dd", {}, ...[value].flat())])),
      ...traces.map(([hook, trace]) => el("details", { ontoggle: ({ target }) => { target.lastChild.scrollTop = target.lastChild.scrollHeight; } }, el("summary", {}, hook ? t("ext_report_of", { hook }) : t("ext_report")), el("pre", { tabindex: "0" }, trace))),
      ...(one.on && one.ok && one.contributes.settings ? [D.extensionSettings.form(one)] : []),
      el("div", { class: "dk-ext-acts" }, ...acts(one)));
  }

  const brings = (one) => Object.entries(one.contributes).map(([hook, names]) => (names.length ? `${hook}: ${names.join(", ")}` : hook)).join("; ") || one.says.join(", ");

  function times(one) {
    return one.hooks.filter((time) => time.calls).map((time) => {
      const each = time.seconds / time.calls;
      const said = t("ext_hook_time", { hook: time.hook, n: time.calls.toLocaleString("en"), each: each < 0.001 ? `${Math.round(each * 1e6)} µs` : each < 1 ? `${(each * 1e3).toFixed(1)} ms` : D.duration(each) });
      return time.errors ? t("ext_hook_errors", { said, errors: time.errors }) : said;
    }).join("; ");
  }

  function links(one) {
    const found = Object.entries(one.links).filter(([, address]) => /^https?:/.test(address));
    return found.flatMap(([title, address], i) => [i ? ", " : "", el("a", { href: address, target: "_blank", rel: "noreferrer" }, title)]);
  }

  const button = (key, press, attributes = {}) => el("button", { type: "button", class: "dk-button", disabled: Boolean(state.locked), onclick: press, ...attributes }, t(key));

  function acts(one) {
    if (one.next === "removed") return !one.in_bin ? [] : [button("undo", () => restore(one.name))];
    return [
      ...(one.missing.length ? [button("ext_install_packages", packages)] : []),
      ...(one.source ? [button("ext_update", () => D.extensionWorks.update(one))] : []),
      ...(one.removable ? [button("ext_remove", (event) => sure(event.currentTarget, "ext_remove_sure", () => remove(one)))] : []),
    ];
  }

  // A second press does it; another place forgets the first.
  function sure(control, key, call) {
    if (control.dataset.asking !== undefined) { call(); return; }
    const before = control.textContent;
    control.dataset.asking = "";
    control.textContent = t(key);
    control.addEventListener("blur", () => { delete control.dataset.asking; control.textContent = before; }, { once: true });
  }

  async function turn(one, control) {
    const on = !one.on;
    control.disabled = true;
    try {
      const work = await D.api("POST", `extensions/${encodeURIComponent(one.name)}/${on ? "enable" : "disable"}`);
      if (work) await D.extensionWorks.follow(work);
    } catch (problem) {
      tell(problem);
    }
    await load();
    const now = state.extensions.find(({ folder }) => folder === one.folder);
    if (now && now.on === on && !now.next) {
      D.shell.notice(t(on ? "ext_on_now" : "ext_off_now", now), "", { text: t("ext_reload"), call: () => location.reload() });
    }
    [...byId("extensions_list").children].find((node) => node.dataset.folder === one.folder)?.querySelector(".dk-switch").focus();
  }

  async function remove(one) {
    try {
      await D.api("DELETE", `extensions/${encodeURIComponent(one.name)}`);
      D.shell.notice(t("ext_removed", { name: one.title }), "", { text: t("undo"), call: () => restore(one.name) });
    } catch (problem) {
      tell(problem);
    }
    load();
  }

  async function restore(name) {
    try {
      await D.api("POST", `extensions/${encodeURIComponent(name)}/restore`);
      D.shell.notice(t("ext_restored", { name }));
    } catch (problem) {
      tell(problem);
    }
    load();
  }

  async function packages() {
    try {
      await D.extensionWorks.follow(await D.api("POST", "extensions/packages"));
      D.shell.notice(t("ext_packages_done"));
    } catch (problem) {
      tell(problem);
    }
    load();
  }

  async function updates() {
    try {
      const found = await D.extensionWorks.follow(await D.api("POST", "extensions/updates"));
      checked = new Map(found.map((one) => [one.name, one]));
      // It may have been asked before the list was there, and its titles are said.
      await load();
      const title = ({ name }) => state.extensions.find((one) => one.name === name)?.title || name;
      const names = found.filter((one) => one.newest).map(title);
      D.shell.notice(names.length ? t("ext_some_updates", { names: names.join(", ") }) : t("ext_no_updates"));
    } catch (problem) {
      tell(problem);
    }
  }

  const tell = (problem) => D.shell.notice([problem.message, ...(problem.remedies || []).map((way) => `${way}.`)].join(" "), "err");

  // The lists that the settings name.
  const ask = D.later(async () => {
    const said = byId("extensions_search").value;
    index = said.trim() && !isAddress(said) ? await D.api("GET", `extensions/search?${new URLSearchParams({ q: said.slice(0, 200) })}`).catch(() => index) : { found: [], problems: [] };
    draw();
  }, 300);

  function drawIndex() {
    const { found, problems } = index;
    byId("extensions_index").hidden = !found.length && !problems.length;
    byId("extensions_problems").replaceChildren(...problems.map((problem) => el("p", { class: "dk-problem" }, problem)));
    byId("extensions_found").replaceChildren(...found.map((row) => {
      const here = state.extensions.find((one) => one.name === row.name && one.next !== "removed");
      return el("div", { role: "listitem", class: "dk-ext" }, el("span", {}),
        el("div", { class: "dk-what" }, el("p", { class: "dk-ext-name" }, row.title, " ", el("span", { class: "dk-second" }, row.version)),
          el("p", {}, row.description), el("p", { class: "dk-second" }, row.source)),
        el("p", { class: "dk-state" }, here ? el("span", {}, t("ext_found_here", here)) : ""),
        el("div", { class: "dk-row-acts" }, el("button", { type: "button", class: "dk-act", disabled: Boolean(state.locked), onclick: () => D.extensionWorks.open(row.source, row.sha256) }, t("ext_look"))));
    }));
  }

  async function restart(control) {
    sure(control, "ext_restart_sure", async () => {
      try {
        await D.api("POST", "restart");
      } catch (problem) {
        tell(problem);
        return;
      }
      control.disabled = true;
      D.shell.notice(t("ext_restarting"));
      back();
    });
  }

  // The page is another one after the start: it is read anew once the server has been away and answers again.
  async function back() {
    for (let away = false, tries = 0; tries < 600; tries += 1) {
      await new Promise((done) => { setTimeout(done, 500); });
      const there = await D.api("GET", "status").then(() => true, () => false);
      if (there && (away || tries > 40)) { location.reload(); return; }
      away = away || !there;
    }
  }

  document.addEventListener("input", ({ target }) => { if (target.id === "extensions_search") { draw(); ask(); } });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.id !== "extensions_search" || !isAddress(event.target.value) || state.locked) return;
    event.preventDefault();
    D.extensionWorks.open(event.target.value.trim(), "", true);
  });
  D.onClick("extensions_add", () => {
    const said = byId("extensions_search").value.trim();
    D.extensionWorks.open(isAddress(said) ? said : "");
  });
  D.onClick("extensions_updates", updates);
  D.onClick("extensions_restart_now", restart);
  D.on("tab", (id) => { if (id === "tab_extensions") load(); });
  D.on("online", (on) => { if (on && tab()) load(); });
  Object.assign(D.extensions, { load, tell, show });
})();
