// One model's card in a dialog: what is said and known of it; its owner can change it and give it a preview.
(() => {
  const D = window.darkroom;
  const { t, el } = D;
  const TEXTS = ["description", "activation_text", "negative_text", "notes"];
  // A weight is for what prompts name; a checkpoint has parts and layers that it works best with.
  const OWN = { checkpoint: ["vae", "clip_skip"], lora: ["sd_version", "preferred_weight"], embedding: ["sd_version"] };
  let dialog = null;
  let model = null;
  let vaes = [];
  let back = null;

  async function open(id) {
    back = document.activeElement;
    try {
      const [card, modules] = await Promise.all([D.api("GET", `models/${id}`), D.api("GET", "modules")]);
      model = card;
      vaes = modules.modules.filter((file) => file.role === "vae" && !file.problem && (!model.family || file.fits.includes(model.family)));
    } catch (problem) {
      D.shell.notice(problem.message, "err");
      return;
    }
    if (!dialog) build();
    draw();
    dialog.showModal();
  }

  function build() {
    dialog = el("dialog", { id: "dk_model", "aria-labelledby": "dk_model_title" });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    // The card may have been drawn anew: its successor stands in the same place.
    dialog.addEventListener("close", () => {
      const again = back?.isConnected ? back : [...document.querySelectorAll(`.dk-cards-grid [data-id="${model.id}"] .dk-act`)].find((button) => button.offsetParent);
      again?.focus();
    });
    document.querySelector(".gradio-container").append(dialog);
  }

  function draw() {
    dialog.replaceChildren(
      el("header", {}, el("div", {}, el("h2", { id: "dk_model_title" }, model.label), el("p", { class: "dk-second" }, model.family_title || t(`kind_${model.kind}`))),
        el("button", { type: "button", class: "dk-close-dialog", "aria-label": t("close"), onclick: () => dialog.close() }, "×")),
      ...said().map((text) => el("p", { class: "dk-model-problem" }, text)),
      ...model.hides.map((path) => el("p", { class: "dk-second" }, t("model_hides", { path }))),
      el("div", { class: "dk-model-body" },
        el("div", { class: "dk-model-side" }, picture(), ...previewButton(), words(), facts(), ...training()),
        D.cards.owner() ? form() : texts()));
    dialog.scrollTop = 0;
  }

  const said = () => [...(model.problem ? [t("model_unusable", { problem: model.problem })] : []), ...model.card.problems, ...[model.facts.unused].filter(Boolean)];

  function picture() {
    const image = model.preview && el("img", { src: D.cards.address(model, 1024), alt: t("model_preview", { name: model.label }), onerror: (event) => event.target.remove() });
    return el("div", { class: "dk-model-picture" }, image || null);
  }

  const previewButton = () => (D.cards.owner()
    ? [el("button", { type: "button", class: "dk-button", onclick: (event) => takeNewest(event.currentTarget) }, t("model_newest"))] : []);

  // A press puts a word at the end of the prompt.
  function words() {
    const group = el("div", { class: "dk-model-words", role: "group", "aria-label": t("model_words") });
    if (!model.trigger_words.length) { group.hidden = true; return group; }
    group.append(el("p", { class: "dk-label" }, t("model_words")), ...model.trigger_words.map((word) =>
      el("button", { type: "button", class: "dk-word", onclick: () => add(word) }, word)));
    return group;
  }

  function add(word) {
    const prompt = D.form.valuesOf("txt2img").prompt || "";
    const there = prompt.split(",").some((piece) => piece.trim() === word);
    if (!there) D.form.fill("txt2img", { prompt: prompt.trim() ? `${prompt.trim().replace(/,$/, "")}, ${word}` : word });
    tell(t(there ? "model_word_there" : "model_word_added", { word }));
  }

  // Of all files that pictures are made from, as `parts` names them.
  function size() {
    const { size_bytes: all, parts = [] } = model.facts;
    if (!parts.some(({ file }) => file)) return D.cards.bytes(model.size_bytes);
    return t("fact_size_with", { size: D.cards.bytes(all) });
  }

  function facts() {
    const { facts: known, card } = model;
    const parts = (known.parts || []).map(({ part, title, precision, file, by }) =>
      [file ? t("fact_from", { part: title || part, file }) : title || part, precision, by && by !== "inside" && t(`part_by_${by}`)].filter(Boolean).join(", "));
    const origin = card.civitai && [card.civitai.model_name, card.civitai.version_name, card.civitai.model_id || ""].filter(Boolean).join(" · ");
    const rows = [
      ["fact_file", model.path || model.name], ["fact_size", size()], ["fact_changed", D.moment(model.changed)],
      ["fact_hash", model.hash], ["fact_precision", known.precision], ["fact_predicts", known.prediction_type || assumed(known.prediction_assumed)],
      ["fact_inside", parts.join("\n")], ["fact_missing", (known.missing || []).join(", ")],
      ["fact_base", card.base_model || card.sd_version], ["fact_civitai", origin],
    ];
    return el("dl", { class: "dk-values" }, ...rows.filter(([, value]) => value).flatMap(([key, value]) => [el("dt", {}, t(key)), el("dd", {}, value)]));
  }

  function assumed(value) {
    return value === "measured" ? t("fact_measured") : value && t("fact_assumed", { value });
  }

  // What training wrote into the file, folded; its tags go into the prompt as trigger words do.
  function training() {
    const { tags = [], ...known } = model.facts.training || {};
    const values = Object.entries(known).flatMap(([name, value]) => [el("dt", {}, t(`card_training_${name}`)), el("dd", {}, value)]);
    if (!values.length && !tags.length) return [];
    const buttons = tags.map(({ tag, count }) => el("button", { type: "button", class: "dk-word", "aria-label": t("model_tag", { tag, n: count }), onclick: () => add(tag) },
      tag, el("span", { class: "dk-second" }, ` ${count}`)));
    return [el("details", { class: "dk-training" }, el("summary", {}, t("model_training")),
      values.length ? el("dl", { class: "dk-values" }, ...values) : null,
      buttons.length ? el("div", { class: "dk-model-words", role: "group", "aria-label": t("model_tags") }, el("p", { class: "dk-label" }, t("model_tags")), ...buttons) : null)];
  }

  // What guests read.
  function texts() {
    const shown = ["description", "negative_text"].filter((name) => model.card[name]);
    return el("div", { class: "dk-model-texts" }, ...shown.flatMap((name) =>
      [el("p", { class: "dk-label" }, t(`card_${name}`)), el("p", { class: "dk-prompt-text" }, model.card[name])]));
  }

  function form() {
    const fields = [...TEXTS.slice(0, 3), ...(OWN[model.kind] || []), TEXTS[3]];
    return el("form", { onsubmit: (event) => { event.preventDefault(); save(event.currentTarget); } },
      ...fields.map(field),
      el("p", { class: "dk-field-error", role: "alert", hidden: true }),
      el("div", { class: "dk-acts" },
        el("button", { type: "submit", class: "dk-button", "data-primary": true }, t("model_save")),
        el("button", { type: "button", class: "dk-button", onclick: () => dialog.close() }, t("close"))));
  }

  // An empty number prefers none, which the card has as 0.
  function field(name) {
    const id = `dk_card_${name}`;
    const value = model.card[name];
    let control;
    if (name === "vae") control = vaeChoice(id, value);
    else if (name === "clip_skip") control = el("input", { id, name, type: "number", min: 1, max: 12, step: 1, value: value || "" });
    else if (name === "preferred_weight") control = el("input", { id, name, type: "number", min: -10, max: 10, step: 0.05, value: value || "" });
    else if (name === "sd_version") control = el("input", { id, name, type: "text", maxlength: 20000, value });
    else {
      control = el("textarea", { id, name, rows: name === "description" ? 6 : name === "notes" ? 4 : 2, maxlength: 20000 });
      control.value = value;
    }
    return el("div", { class: "dk-model-field" }, el("label", { for: id, class: "dk-label" }, t(`card_${name}`)), control);
  }

  // A1111 calls a VAE by its file's name alone.
  function vaeChoice(id, value) {
    const last = (name) => name.split("/").pop();
    const names = ["Automatic", "None", ...vaes.map((file) => file.name)];
    const chosen = names.find((name) => name === value || last(name) === value) || value || "Automatic";
    return el("select", { id, name: "vae" }, ...(names.includes(chosen) ? names : [...names, chosen]).map((name) =>
      el("option", { value: name, selected: name === chosen }, name)));
  }

  function changes(place) {
    const changed = {};
    for (const control of place.querySelectorAll("textarea, input, select")) {
      const before = control.name === "vae" ? control.querySelector("[selected]").value : model.card[control.name];
      const value = control.type === "number" ? Number(control.value || 0) : control.value;
      if (value !== before) changed[control.name] = value;
    }
    return changed;
  }

  async function save(place) {
    const changed = changes(place);
    const button = place.querySelector("[type=submit]");
    button.disabled = true;
    try {
      if (Object.keys(changed).length) taken(await D.api("PATCH", `models/${model.id}`, changed));
      dialog.close();
      D.shell.notice(t("model_saved", { name: model.label }));
      // What it prefers are values of the form.
      if (model.kind === "checkpoint" && ("vae" in changed || "clip_skip" in changed)) D.models.load();
    } catch (problem) {
      wrong(place, problem);
    } finally {
      button.disabled = false;
    }
  }

  function wrong(place, problem) {
    const note = place.querySelector(".dk-field-error");
    note.hidden = false;
    note.textContent = [problem.message, ...problem.remedies].join(" ");
    const control = problem.field && place.elements[problem.field];
    if (control) control.focus();
    note.scrollIntoView({ block: "nearest" });
  }

  async function takeNewest(button) {
    const before = model.preview;
    button.disabled = true;
    try {
      const [newest] = (await D.api("GET", "pictures?limit=1")).pictures;
      if (!newest) { tell(t("model_no_picture")); return; }
      taken(await D.api("PUT", `models/${model.id}/preview`, { picture_id: newest.id }));
      dialog.querySelector(".dk-model-side .dk-model-picture").replaceWith(picture());
      tell(t(before ? "model_preview_kept" : "model_preview_set", { name: model.label }));
    } catch (problem) {
      tell(problem.message);
    } finally {
      button.disabled = false;
    }
  }

  function taken(answer) {
    model = answer;
    D.cards.replace(answer);
  }

  // The page's own messages lie under the dialog.
  function tell(text) {
    let place = dialog.querySelector(".dk-told");
    if (!place) {
      place = el("p", { class: "dk-told", role: "status" });
      dialog.querySelector(".dk-model-side").append(place);
    }
    place.textContent = text;
  }

  D.cards.open = open;
})();
