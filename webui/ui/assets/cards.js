// Cards of models: how one looks, what a press of it does, and the Models tab, which lists all of them.
(() => {
  const D = window.darkroom;
  const { t, el, byId } = D;
  const TASK = "txt2img";
  const TEXTS = { positive: "prompt", negative: "negative_prompt" };
  const IDS = Object.fromEntries(["search", "kind", "sort", "order", "folders", "grid", "count", "empty", "more"].map((name) => [name, `models_${name}`]));
  // Embeddings go into the prompt that was written in last.
  let side = "positive";

  const address = (model, pixels) => `${model.preview}&side=${pixels}`;
  const owner = () => D.shell.state.you?.level === "owner";
  const promptOf = (which) => D.form.valuesOf(TASK)[TEXTS[which]] || "";

  function bytes(size) {
    return size >= 2 ** 30 ? `${(size / 2 ** 30).toFixed(2)} GiB` : size >= 2 ** 20 ? `${(size / 2 ** 20).toFixed(1)} MiB` : `${Math.ceil(size / 1024)} KiB`;
  }

  // One press chooses what can be chosen; for everything else there are the details. folder: the one that is looked into.
  function cell(model, folder) {
    const name = model.label;
    const place = model.namesake && (!folder || model.folder !== folder) ? model.folder || t("model_top_folder") : "";
    const said = [model.family_title, bytes(model.size_bytes)].filter(Boolean);
    const press = () => (choosable(model) ? choose(model) : D.cards.open(model.id));
    const picture = model.preview
      ? el("img", { src: address(model, 512), alt: "", loading: "lazy", decoding: "async", onerror: (event) => event.target.remove() })
      : null;
    return el("div", { role: "listitem", class: "dk-model", "data-id": model.id, "data-problem": Boolean(model.problem), "data-unfit": Boolean(model.unfit) },
      el("button", { type: "button", class: "dk-model-choose", title: model.name, onclick: press },
        el("span", { class: "dk-model-picture" }, picture),
        el("span", { class: "dk-model-name" }, name),
        place ? el("span", { class: "dk-second dk-model-place" }, place) : null,
        el("span", { class: "dk-second" }, said.join(" · ")),
        model.unfit ? el("span", { class: "dk-model-unfit", title: model.unfit }, t("model_not_for")) : null),
      ...(model.problem ? [el("p", { class: "dk-model-problem" }, t("model_unusable", { problem: model.problem }))] : []),
      ...(model.hides.length ? [el("p", { class: "dk-second" }, model.hides.length === 1 ? t("model_hides_one") : t("model_hides_many", { n: model.hides.length }))] : []),
      el("button", { type: "button", class: "dk-act", "aria-label": t("model_details_of", { what: t(owner() ? "model_edit" : "model_details"), name }), onclick: () => D.cards.open(model.id) },
        t(owner() ? "model_edit" : "model_details")));
  }

  // Parts are chosen in the picker in the head, which may not be pinned there.
  const named = (model) => ["lora", "embedding"].includes(model.kind);
  const choosable = (model) => model.usable && (model.kind === "checkpoint" || named(model)
    || (["vae", "text_encoder"].includes(model.kind) && Boolean(byId("setting_sd_vae"))));

  // How a prompt names it, as A1111 writes it; with its folder where another one is called so.
  const asked = (model) => ({
    kind: model.kind,
    name: model.kind === "embedding" ? model.title : model.namesake && model.folder ? `${model.folder}/${model.label}` : model.label,
    weight: model.preferred_weight || 1,
    words: model.activation_text,
  });

  // A press puts it into the prompt, another takes it out again.
  function toggle(model) {
    const one = asked(model);
    const which = model.kind === "lora" ? "positive" : side;
    const inPrompt = D.insertion.has(promptOf(which), one);
    const values = { [TEXTS[which]]: D.insertion.toggle(promptOf(which), one) };
    if (model.kind === "lora" && model.negative_text) values.negative_prompt = D.insertion.toggleWords(promptOf("negative"), model.negative_text, !inPrompt);
    D.form.fill(TASK, values);
    D.shell.notice(inPrompt ? t("model_lora_out", { name: model.label }) : t("model_word_added", { word: D.insertion.written(one) }));
  }

  async function choose(model) {
    if (named(model)) toggle(model);
    else await pick(model);
    for (const list of D.cardLists) if (list.isShown()) list.mark();
  }

  async function pick(model) {
    let taken = false;
    if (model.kind === "checkpoint") taken = await D.models.use(model.title);
    else {
      const field = model.kind === "vae" ? "vae" : "text_encoders";
      D.modules.pick({ [field]: model.title });
      taken = (D.modules.request()[field] || "").includes(model.title);
    }
    const name = model.label;
    D.shell.notice(taken ? t("model_chosen", { name }) : t("model_unfit", { name }), taken ? "" : "warn");
  }

  // Whether it is chosen in the head, or stands in a prompt.
  function picked(model) {
    const { vae, text_encoders: encoders = "" } = D.modules.request();
    if (model.kind === "checkpoint") return model.title === D.models.chosen();
    if (named(model)) return D.insertion.has(promptOf(model.kind === "lora" ? "positive" : side), asked(model));
    return model.kind === "vae" ? model.title === vae : encoders.split(", ").includes(model.title);
  }

  const remark = D.later(() => { for (const list of D.cardLists) if (list.isShown()) list.mark(); }, 150);
  document.addEventListener("focusin", ({ target }) => {
    if (!target.matches?.(D.writing.BOXES)) return;
    const now = target.closest(`#${TASK}_prompt`) ? "positive" : "negative";
    if (now !== side) { side = now; remark(); }
  });
  D.on("form", (task) => { if (task === TASK) remark(); });

  const list = D.cardList({ ids: IDS, kind: "checkpoint", isShown: () => D.shell.state.tab === "tab_models", kept: "models-view" });
  D.on("tab", (id) => { if (id === "tab_models") list.open(); });
  const replace = (model) => { for (const one of D.cardLists) one.replace(model); };
  D.cards = { address, bytes, replace, choosable, owner, cell, picked };
})();
