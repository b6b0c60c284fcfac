// What a text that was read says of fields without a control on the page: sent with each job until it is taken away.
(() => {
  const D = window.darkroom;
  const { t, el } = D;
  let values = D.kept.get("overrides", sessionStorage) || D.kept.get("overrides") || {};

  const setting = (name) => D.shell.state.settings?.[name] ?? D.boot.defaults[name];
  const shown = () => Object.entries(values).filter(([name, value]) => setting(name) !== value && !D.models.unknown().includes(name) && !refused([name, value]));

  function set(now) {
    values = now;
    for (const store of [sessionStorage, localStorage]) D.kept.set("overrides", values, store);
    draw();
  }

  function use(given) {
    const { fields } = D.boot;
    set(Object.fromEntries(Object.entries(given).filter(([name]) => fields[name] && !fields[name].id)));
  }

  function remove(gone) {
    set(Object.fromEntries(Object.entries(values).filter(([name]) => name !== gone)));
  }

  function draw() {
    const place = document.querySelector("#txt2img_override_settings .dk-overrides");
    if (!place || !D.boot) return;
    const chips = shown().map(([name, value]) => el("button", {
      type: "button", class: "dk-chip", title: t("override_title"), "data-field": name, onclick: () => remove(name),
    }, `${t(`field_${name}`)}: ${value} ×`));
    place.replaceChildren(...(chips.length ? [el("span", { class: "dk-second" }, t("overrides")), ...chips] : []));
  }

  D.on("start", draw);
  D.on("tab", draw);
  D.on("models", draw);
  // Models that draw their noise themselves refuse that of NV, which the program draws.
  const refused = ([name, value]) => name === "randn_source" && value === "NV" && D.models.unknown().includes("subseed");
  const request = () => Object.fromEntries(Object.entries(values).filter((entry) => !refused(entry)));
  D.overrides = { use, request };
})();
