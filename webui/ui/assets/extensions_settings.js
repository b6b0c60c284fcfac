// What the owner sets for an extension itself, on its card; what is secret is only ever sent, never shown.
(() => {
  const D = window.darkroom;
  const { t, el } = D;

  const path = (one) => `extensions/${encodeURIComponent(one.name)}/settings`;

  function secret(row, id, hear) {
    const box = el("input", { type: "password", id: `${id}_input`, maxlength: row.maximum, autocomplete: "off", placeholder: t(row.is_set ? "ext_secret_set" : "ext_secret_unset"), oninput: () => hear(box.value) });
    const title = el("label", { for: `${id}_input`, title: row.help }, el("span", { "data-testid": "block-info" }, row.label));
    return { node: el("div", { class: "block dk-own", id, "data-kind": "text" }, el("div", {}, title, box)), set: () => {} };
  }

  // The form, filled once it is there; a save says what is wrong, or that it is kept.
  function form(one) {
    const place = el("form", { class: "dk-ext-settings", novalidate: true, "aria-label": t("ext_settings_of", one) });
    const draw = ({ settings }) => {
      const changed = {};
      const controls = settings.map((row) => {
        const id = `extension_${one.name}_${row.name}`;
        const made = (row.secret ? secret : D.fields.control)(row, id, (value) => { changed[row.name] = value; });
        if (!row.secret) made.set(row.value);
        return made.node;
      });
      place.onsubmit = async (event) => {
        event.preventDefault();
        try {
          draw(await D.api("PATCH", path(one), { values: changed }));
          D.shell.notice(t("ext_settings_saved", one));
        } catch (problem) {
          D.shell.notice(problem.message, "err");
        }
      };
      place.replaceChildren(el("div", { class: "dk-panel-fields" }, ...controls), el("button", { type: "submit", class: "dk-button" }, t("ext_settings_save")));
    };
    D.api("GET", path(one)).then(draw, (problem) => place.replaceChildren(el("p", { class: "dk-problem" }, problem.message)));
    return place;
  }

  D.extensionSettings = { form };
})();
