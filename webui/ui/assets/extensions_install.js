// Installing an extension: an address is looked at, what it is and asks for is shown, and nothing is put in place before a yes.
(() => {
  const D = window.darkroom;
  const { t, el, byId } = D;
  const PAUSE = 400;
  let dialog = null;
  let back = null;
  // The plan that is shown, and the action that runs, both for the dialog.
  let plan = null;
  let running = null;

  // Waits for an action; its result, or its problem thrown. What it does is said above the list, or in the dialog.
  async function follow(work) {
    running = work.id;
    try {
      while (work.state === "running") {
        show(work);
        await new Promise((done) => { setTimeout(done, PAUSE); });
        // Nothing answers while the network is away; the action goes on.
        work = await D.api("GET", `extensions/works/${work.id}`).catch((problem) => { if (problem.status) throw problem; return work; });
      }
    } finally {
      running = null;
      show(null);
    }
    if (work.state === "failed") throw new D.Problem(work.problem);
    return work.result;
  }

  function show(work) {
    const place = dialog?.open ? dialog.querySelector(".dk-ext-work") : byId("extensions_work");
    if (!place) return;
    place.hidden = !work;
    if (!work) { place.replaceChildren(); return; }
    if (!place.firstChild) {
      place.replaceChildren(el("span", {}), el("div", { class: "dk-bar", "data-moving": true }, el("i")),
        el("button", { type: "button", class: "dk-act", onclick: () => D.api("DELETE", `extensions/works/${running}`).catch(D.extensions.tell) }, t("ext_stop")));
    }
    D.setText(place.firstChild, work.words || t("ext_looking"));
  }

  // An action that another page has started, or this one before it was read anew.
  async function adopt(work) {
    if (running) return;
    try {
      const result = await follow(work);
      if (result?.plan) { begin(); decide(result); }
    } catch (problem) {
      D.extensions.tell(problem);
    }
    if (!dialog?.open) D.extensions.load();
  }

  function begin() {
    if (!dialog) build();
    if (!dialog.open) {
      back = document.activeElement;
      dialog.showModal();
    }
  }

  function build() {
    dialog = el("dialog", { id: "dk_extension", "aria-labelledby": "dk_extension_title" });
    dialog.addEventListener("close", () => {
      if (running) D.api("DELETE", `extensions/works/${running}`).catch(() => null);
      if (plan) D.api("DELETE", `extensions/plans/${plan.plan}`).catch(() => null);
      plan = null;
      (back?.isConnected ? back : byId("extensions_add"))?.focus();
    });
    document.querySelector(".gradio-container").append(dialog);
  }

  const header = (title) => el("header", {}, el("h2", { id: "dk_extension_title" }, title),
    el("button", { type: "button", class: "dk-close-dialog", "aria-label": t("close"), onclick: () => dialog.close() }, "×"));
  const fault = () => el("div", { class: "dk-field-error", role: "alert", hidden: true });
  const work = () => el("div", { class: "dk-ext-work", role: "status", hidden: true });

  function wrong(problem) {
    const note = dialog.querySelector(".dk-field-error");
    note.hidden = false;
    note.replaceChildren(el("span", {}, problem.message), ...(problem.remedies || []).map((way) => el("span", { class: "dk-second" }, ` ${way}.`)));
    note.scrollIntoView({ block: "nearest" });
  }

  function open(source = "", sha256 = "", now = false) {
    begin();
    const field = (name, key, value, more = {}) => el("div", { class: "dk-model-field" },
      el("label", { for: `dk_extension_${name}`, class: "dk-label" }, t(key)), el("input", { id: `dk_extension_${name}`, name, type: "text", autocomplete: "off", spellcheck: "false", value, ...more }));
    const form = el("form", { onsubmit: (event) => { event.preventDefault(); look(form); } },
      field("source", "ext_source", source, { required: true, maxlength: 1000 }),
      el("p", { class: "dk-second" }, t("ext_source_ways")),
      field("ref", "ext_ref", "", { maxlength: 200 }), field("sha256", "ext_sum", sha256, { maxlength: 64 }),
      fault(), work(),
      el("div", { class: "dk-acts" }, el("button", { type: "submit", class: "dk-button", "data-primary": true }, t("ext_look")),
        el("button", { type: "button", class: "dk-button", onclick: () => dialog.close() }, t("ext_cancel"))));
    dialog.replaceChildren(header(t("ext_dialog")), form);
    form.elements.source.focus();
    if (now || sha256) look(form);
  }

  async function look(form) {
    const { source, ref, sha256 } = form.elements;
    const submit = form.querySelector("[type=submit]");
    form.querySelector(".dk-field-error").hidden = true;
    submit.disabled = true;
    try {
      decide(await follow(await D.api("POST", "extensions/look", { source: source.value.trim(), ref: ref.value.trim(), sha256: sha256.value.trim() })));
    } catch (problem) {
      if (!form.isConnected) return;
      wrong(problem);
      form.elements[problem.field]?.focus();
    } finally {
      submit.disabled = false;
    }
  }

  async function update(one) {
    begin();
    dialog.replaceChildren(header(t("ext_dialog_update", one)), fault(), work());
    try {
      decide(await follow(await D.api("POST", `extensions/${encodeURIComponent(one.name)}/update`, {})));
    } catch (problem) {
      wrong(problem);
    }
  }

  // Before anything is put in place: who it is, from where exactly, what it may do, what it changes.
  function decide(found) {
    if (!dialog.open) { D.api("DELETE", `extensions/plans/${found.plan}`).catch(() => null); return; }
    plan = found;
    const names = found.requires.map((name) => (found.absent.includes(name) ? t("ext_absent", { name }) : name));
    const rows = [
      ["fact_ext_version", found.version],
      ["fact_ext_permissions", found.permissions.map(({ means }) => means).join("; ") || t("ext_no_permissions")],
      ["fact_ext_packages", found.dependencies.join(", ") || t("ext_no_packages")],
      ["fact_ext_requires", names.join(", ")],
      ["fact_ext_brings", found.says.join(", ") || found.hooks.join(", ")],
      ["fact_ext_from", [found.source.address, found.source.wanted].filter(Boolean).join(" @ ")],
      ["fact_ext_pin", found.pin],
      ["fact_ext_sum", found.sha256],
      ["fact_ext_size", t("ext_files", { size: D.cards.bytes(found.size_bytes), n: found.files })],
      ["fact_ext_author", found.author],
      ["fact_ext_licence", found.license],
    ].filter(([, value]) => value);
    const install = el("button", { type: "button", class: "dk-button", "data-primary": true, disabled: Boolean(found.problem), onclick: (event) => put(event.currentTarget) }, t("ext_install"));
    dialog.replaceChildren(header(found.title),
      ...(found.description ? [el("p", {}, found.description)] : []),
      el("dl", { class: "dk-ext-facts" }, ...rows.flatMap(([key, value]) => [el("dt", {}, t(key)), el("dd", {}, value)])),
      ...(found.replaces ? [el("p", {}, t("ext_replaces", { version: found.replaces }))] : []),
      ...(found.changes.length ? [el("ul", {}, ...found.changes.map((change) => el("li", {}, change)))] : []),
      el("p", { class: "dk-second" }, t("ext_trust")), fault(), work(),
      el("div", { class: "dk-acts" }, install, el("button", { type: "button", class: "dk-button", onclick: () => dialog.close() }, t("ext_cancel"))));
    if (found.problem) wrong({ message: found.problem });
    dialog.scrollTop = 0;
    (found.problem ? dialog.querySelector(".dk-acts button:last-child") : install).focus();
  }

  async function put(install) {
    install.disabled = true;
    dialog.querySelector(".dk-field-error").hidden = true;
    try {
      const done = await follow(await D.api("POST", "extensions/install", { plan: plan.plan }));
      plan = null;
      dialog.close();
      D.shell.notice(t("ext_installed", done));
      await D.extensions.load();
      D.extensions.show(done.name);
    } catch (problem) {
      if (dialog.open) wrong(problem);
      else D.extensions.tell(problem);
      install.disabled = false;
    }
  }

  D.extensionWorks = { follow, adopt, open, update };
})();
