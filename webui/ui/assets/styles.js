// Styles: the list under Generate's tools, what puts them into the prompts, and the dialog in which the owner writes them.
(() => {
  const D = window.darkroom;
  const { t, el, byId } = D;
  const TASK = "txt2img";
  const TEXTS = ["prompt", "negative_prompt"];
  let styles = [];
  let files = [];
  let dialog = null;
  let back = null;

  async function load() {
    try {
      const answer = await D.api("GET", "styles");
      styles = answer.styles;
      files = answer.files;
      for (const problem of answer.problems) D.shell.notice(problem, "warn");
    } catch {
      return;
    }
    const names = styles.map((style) => style.name);
    // Without styles there is nothing to choose.
    D.toggle(document.documentElement, "data-styles", names.length > 0);
    const chosen = chosenNow();
    const known = chosen.filter((name) => names.includes(name));
    D.form.fill(TASK, known.length === chosen.length ? {} : { styles: known }, { styles: names });
  }

  const chosenNow = () => D.form.valuesOf(TASK).styles || [];

  // What the list says goes into the prompts, and the list is cleared; pressed by mistake it can be undone.
  async function apply() {
    const before = D.form.valuesOf(TASK);
    const { prompt, negative_prompt } = before;
    const chosen = chosenNow();
    if (!chosen.length) { D.shell.notice(t("styles_no_choice")); return; }
    try {
      const texts = await D.api("POST", "styles/apply", { prompt, negative_prompt, styles: chosen });
      D.form.fill(TASK, { ...texts, styles: [] });
      D.shell.notice(t("styles_applied"), "", { text: t("undo"), call: () => D.form.fill(TASK, { prompt, negative_prompt, styles: chosen }) });
    } catch (problem) {
      D.problems.report(problem);
    }
  }

  // The dialog

  async function open() {
    back = document.activeElement;
    await load();
    if (!dialog) build();
    draw(chosenNow()[0] || "");
    dialog.showModal();
    byId("dk_style_choice").focus();
  }

  function build() {
    dialog = el("dialog", { id: `${TASK}_styles_dialog`, "aria-labelledby": "dk_styles_title" });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", () => back?.focus());
    document.querySelector(".gradio-container").append(dialog);
  }

  function draw(name, told = "") {
    const style = styles.find((one) => one.name === name);
    dialog.replaceChildren(
      el("header", {}, el("h2", { id: "dk_styles_title" }, t("styles_dialog")),
        el("button", { type: "button", class: "dk-close-dialog", "aria-label": t("close"), onclick: () => dialog.close() }, "×")),
      el("form", { onsubmit: (event) => { event.preventDefault(); save(event.currentTarget); } },
        field("choice", "style_choose", choice(name)),
        field("name", "style_name", el("input", { type: "text", maxlength: 200, required: true, value: style?.name || "" })),
        ...TEXTS.map((one) => field(one, `style_${one}`, area(style?.[one] || ""))),
        el("p", { class: "dk-second" }, t("style_place")),
        ...(files.length > 1 ? [field("file", "style_file", fileChoice(style?.file))] : []),
        el("p", { class: "dk-field-error", role: "alert", hidden: true }),
        el("p", { class: "dk-second", role: "status" }, told),
        el("div", { class: "dk-acts" },
          el("button", { type: "submit", class: "dk-button", "data-primary": true }, t("style_save")),
          el("button", { type: "button", class: "dk-button", onclick: take }, t("style_take")),
          ...(style ? [el("button", { type: "button", class: "dk-button dk-style-delete", onclick: (event) => remove(event.currentTarget, style) }, t("style_delete"))] : []))));
  }

  function field(name, label, control) {
    const id = `dk_style_${name}`;
    control.id = id;
    control.name = name;
    return el("div", { class: "dk-style-field" }, el("label", { for: id, class: "dk-label" }, t(label)), control);
  }

  function area(value) {
    const control = el("textarea", { rows: 3, maxlength: 20000 });
    control.value = value;
    return control;
  }

  function choice(name) {
    const options = [["", t("styles_new")], ...styles.map((style) => [style.name, style.name])];
    return el("select", { onchange: (event) => { draw(event.currentTarget.value); byId("dk_style_choice").focus(); } },
      ...options.map(([value, text]) => el("option", { value, selected: value === name }, text)));
  }

  const fileChoice = (file) => el("select", {}, ...files.map((name) => el("option", { value: name, selected: name === file }, name)));

  function take() {
    const values = D.form.valuesOf(TASK);
    for (const name of TEXTS) byId(`dk_style_${name}`).value = values[name] || "";
  }

  // While a change is on its way nothing else can be chosen: its answer draws the form anew.
  function busy(form, on) {
    for (const element of form.elements) element.disabled = on;
  }

  async function save(form) {
    const { elements } = form;
    const style = { name: elements.name.value, ...Object.fromEntries(TEXTS.map((name) => [name, elements[name].value])) };
    if (elements.file) style.file = elements.file.value;
    busy(form, true);
    try {
      const kept = await D.api("POST", "styles", style);
      await load();
      draw(kept.name, t("style_saved", { name: kept.name }));
      byId("dk_style_choice").focus();
    } catch (problem) {
      busy(form, false);
      const note = form.querySelector(".dk-field-error");
      note.hidden = false;
      note.textContent = [problem.message, ...problem.remedies].join(" ");
      (elements[problem.field] || elements.name).focus();
    }
  }

  // A second press deletes; the file as it was is kept beside it.
  async function remove(button, style) {
    if (!button.dataset.sure) { button.dataset.sure = "1"; button.textContent = t("style_sure"); return; }
    const form = button.form;
    busy(form, true);
    try {
      await D.api("DELETE", `styles?name=${encodeURIComponent(style.name)}`);
      await load();
      draw("", t("style_deleted", { name: style.name }));
      byId("dk_style_choice").focus();
    } catch (problem) {
      busy(form, false);
      const note = form.querySelector(".dk-field-error");
      note.hidden = false;
      note.textContent = problem.message;
    }
  }

  // What is set should be seen: the box opens when a text that was read sets it otherwise than usual.
  let usual = true;
  function show(task, { dynamic_prompts: on = true, combinatorial = false }) {
    const now = on && !combinatorial;
    const box = byId(`${TASK}_dynamic`)?.querySelector(":scope > button");
    if (usual && !now && box && !box.classList.contains("open")) box.click();
    usual = now;
  }

  const titles = { [`${TASK}_style_apply`]: "style_apply_title", [`${TASK}_styles_edit_button`]: "style_edit_title" };
  function explain() {
    for (const [id, key] of Object.entries(titles)) if (byId(id)) byId(id).title = t(key);
  }

  D.on("start", load);
  D.on("drawn", explain);
  D.on("form", show);
  D.on("status", (status) => D.toggle(document.documentElement, "data-owner", status.you?.level === "owner"));
  D.onClick(`${TASK}_style_apply`, apply);
  D.onClick(`${TASK}_styles_edit_button`, open);
  // Another program may have written the files meanwhile.
  document.addEventListener("visibilitychange", () => { if (!document.hidden) load(); });
  D.styles = { load };
})();
