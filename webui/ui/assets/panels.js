// The fields of extensions on the form: a panel for each extension, drawn when it is opened, with a mark while it is on.
(() => {
  const D = window.darkroom;
  const { t, el } = D;
  // By whole name (extensions.NAME.FIELD), what is set otherwise than the settings say.
  let values = D.kept.get("panels", sessionStorage) || D.kept.get("panels") || {};
  const drawn = new Map();
  const panels = D.extensions.panels.map(translated);

  // In the reader's language, where the extension has words for it.
  function translated(panel) {
    const { title = panel.title, description = panel.help, fields = {} } = D.words(panel.name);
    const rows = panel.rows.map((row) => {
      const { label = row.label, help = row.help, choices = {} } = fields[row.name.split(".")[2]] || {};
      return { ...row, label, help, choices: row.choices.map((one) => (one in choices ? [one, choices[one]] : one)) };
    });
    return { ...panel, title, help: description, rows };
  }

  const all = () => panels;
  const has = (name) => Boolean(name?.startsWith("extensions.") && D.boot?.fields[name]);
  const panelOf = (name) => all().find((panel) => panel.rows.some((row) => row.name === name));
  const usual = (row) => {
    const [, panel, field] = row.name.split(".");
    return D.shell.state.settings?.extensions?.[panel]?.[field] ?? row.default;
  };
  const valueOf = (row) => (row.name in values ? values[row.name] : usual(row));
  const value = (name) => (has(name) ? valueOf(D.boot.fields[name]) : undefined);

  // As the server has it: what is off is not asked for.
  function isOn({ enabled, rows }) {
    return enabled ? valueOf(rows.find((row) => row.name === enabled)) : rows.some((row) => valueOf(row) !== row.default);
  }

  function set(given) {
    values = { ...values };
    for (const [name, one] of Object.entries(given)) {
      if (!has(name)) continue;
      if (one === usual(D.boot.fields[name])) delete values[name];
      else values[name] = one;
      drawn.get(panelOf(name).name)?.controls.get(name)?.set(one);
      D.problems.changed(name, one);
    }
    for (const store of [sessionStorage, localStorage]) D.kept.set("panels", values, store);
    mark();
  }

  const reset = (panel) => set(Object.fromEntries(panel.rows.map((row) => [row.name, usual(row)])));

  function mark() {
    for (const panel of all()) {
      const on = isOn(panel);
      const made = drawn.get(panel.name);
      if (!made) continue;
      D.toggle(made.node, "data-on", on);
      made.said.hidden = !on;
    }
  }

  function build(panel) {
    const id = `txt2img_${panel.name}`;
    const said = el("span", { class: "dk-sr", hidden: true }, t("panel_on"));
    const body = el("div", { id: `${id}_body`, class: "dk-panel-body", hidden: true });
    const head = el("button", { type: "button", class: "dk-panel-head", "aria-expanded": "false", "aria-controls": body.id, onclick: () => open(panel, body.hidden) },
      el("span", {}, panel.title), el("i", { "aria-hidden": "true" }), said);
    const made = { node: el("div", { class: "dk-panel", id }, head, body), head, body, said, controls: new Map() };
    drawn.set(panel.name, made);
    return made;
  }

  function open(panel, wide = true) {
    const made = drawn.get(panel.name);
    if (!made) return;
    if (wide && !made.controls.size) fill(panel, made);
    made.body.hidden = !wide;
    made.head.setAttribute("aria-expanded", String(wide));
  }

  function fill(panel, { body, controls }) {
    for (const row of panel.rows) {
      const one = D.fields.control(row, row.id, (now) => set({ [row.name]: now }));
      controls.set(row.name, one);
      one.set(valueOf(row));
      if (row.name === panel.enabled) one.node.dataset.first = "";
    }
    body.replaceChildren(...(panel.help ? [el("p", { class: "dk-second" }, panel.help)] : []),
      el("div", { class: "dk-panel-fields" }, ...[...controls.values()].map(({ node }) => node)),
      el("button", { type: "button", class: "dk-link", onclick: () => reset(panel) }, t("panel_reset")));
  }

  // Gradio draws a tab's contents anew; ours are the same.
  function draw() {
    const place = document.querySelector("#txt2img_script_container .dk-panels");
    if (!place || place.childElementCount === all().length) return;
    place.replaceChildren(...all().map((panel) => (drawn.get(panel.name) || build(panel)).node));
    mark();
  }

  // Have a field seen, of which something is to be said.
  function reveal(name) {
    if (has(name)) open(panelOf(name));
  }

  // What made a picture: null, or nothing, is off.
  function use(extensions) {
    if (!extensions) return;
    for (const panel of all()) {
      const said = extensions[panel.name];
      const rows = !said && panel.enabled ? panel.rows.filter((row) => row.name === panel.enabled) : panel.rows;
      set(Object.fromEntries(rows.map((row) => [row.name, said?.[row.name.split(".")[2]] ?? row.default])));
      if (isOn(panel)) open(panel);
    }
  }

  // The values of those that are on, by whole names.
  const asked = () => Object.fromEntries(all().filter(isOn).flatMap((panel) => panel.rows.map((row) => [row.name, valueOf(row)])));

  const request = () => Object.fromEntries(all().map((panel) => [panel.name,
    isOn(panel) ? Object.fromEntries(panel.rows.map((row) => [row.name.split(".")[2], valueOf(row)])) : null]));

  D.on("start", () => {
    for (const row of all().flatMap((panel) => panel.rows)) D.boot.fields[row.name] = row;
    draw();
  });
  D.on("tab", draw);
  D.on("status", () => {
    for (const panel of all()) for (const row of panel.rows) drawn.get(panel.name)?.controls.get(row.name)?.set(valueOf(row));
    mark();
  });
  D.panels = { all, has, value, set, use, asked, request, reveal };
})();
