// On the Settings tab: a section for each extension with fields, for the defaults of new requests.
(() => {
  const D = window.darkroom;
  const { el, byId } = D;
  // By whole name: what is saved, and what the controls say.
  let saved = {};
  let now = {};
  const sections = new Map();

  const anchor = (panel) => `settings_extension_${panel.name}`;
  const flat = (values) => Object.fromEntries(Object.entries(values || {}).flatMap(([panel, fields]) =>
    Object.entries(fields).map(([field, value]) => [`extensions.${panel}.${field}`, value])));

  function row(one, controls) {
    const made = D.fields.control(one, `setting_${one.name}`, (value) => { now[one.name] = value; });
    controls.set(one.name, made);
    return el("div", { class: "dk-setting", id: `row_${one.name}` },
      el("div", {}, el("p", {}, one.label), el("p", { class: "dk-second" }, one.help)), made.node);
  }

  function build(panel) {
    const controls = new Map();
    const node = el("div", { class: "dk-section", id: anchor(panel) }, el("h2", {}, panel.title), ...panel.rows.map((one) => row(one, controls)));
    return { node, controls, link: el("a", { href: `#${anchor(panel)}` }, panel.title) };
  }

  // Show what is saved: {extension: {field: value}}.
  function draw(values) {
    saved = flat(values);
    now = { ...saved };
    for (const panel of D.panels.all()) {
      if (!sections.has(panel.name)) sections.set(panel.name, build(panel));
      const { node, controls, link } = sections.get(panel.name);
      if (!node.isConnected) {
        byId("settings_end").before(node);
        byId("settings_nav").append(link);
      }
      for (const [name, one] of controls) if (name in saved) one.set(saved[name]);
    }
  }

  // What was changed, for the settings' `extensions`; null where nothing was.
  function changes() {
    const found = {};
    for (const [name, value] of Object.entries(now)) {
      if (value === saved[name]) continue;
      const [, panel, field] = name.split(".");
      found[panel] = { ...found[panel], [field]: value };
    }
    return Object.keys(found).length ? found : null;
  }

  D.settingPanels = { draw, changes };
})();
