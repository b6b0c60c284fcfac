// The Models tab: cards of models a page at a time, by kind, folder and words, in the order that is asked for.
(() => {
  const D = window.darkroom;
  const { t, el, byId, setText } = D;
  const PAGE = 60;
  const PLACES = { checkpoint: "Stable-diffusion", vae: "VAE", text_encoder: "text_encoder", lora: "Lora", embedding: "embeddings" };
  // What is read from the largest or the newest on when it is first asked for.
  const FALLING = ["date", "size"];
  const view = { kind: "checkpoint", sort: "name", order: "asc", folder: "", search: "" };
  let models = [];
  let folders = [];
  let cursor = null;
  let list = 0;
  let drawn = "";

  const address = (model, side) => `${model.preview}&side=${side}`;
  const tab = () => D.shell.state.tab === "tab_models";
  const owner = () => D.shell.state.you?.level === "owner";

  function bytes(size) {
    return size >= 2 ** 30 ? `${(size / 2 ** 30).toFixed(2)} GiB` : size >= 2 ** 20 ? `${(size / 2 ** 20).toFixed(1)} MiB` : `${Math.ceil(size / 1024)} KiB`;
  }

  function query(after) {
    const { folder, search, ...rest } = view;
    return new URLSearchParams({ ...rest, limit: PAGE, ...(folder && { folder }), ...(search && { search }), ...(after && { cursor: after }) });
  }

  // A page as it is asked for now; null when it failed or another list has been asked for since.
  async function page(after) {
    const mine = list;
    try {
      const answer = await D.api("GET", `models?${query(after)}`);
      return mine === list ? answer : null;
    } catch (problem) {
      if (mine !== list) return null;
      if (models.length) D.shell.notice(problem.message, "err");
      else say(problem.title, problem.detail);
      return null;
    }
  }

  // What stands there stays until the answer comes, but for another kind of list: then cells of the same size do.
  async function load() {
    list += 1;
    const wanted = JSON.stringify(view);
    if (drawn !== wanted && !models.length) wait();
    const [found, tree] = await Promise.all([page(), D.api("GET", `models/folders?kind=${view.kind}`).catch(() => null)]);
    if (!found) return;
    drawn = wanted;
    ({ models, next: cursor } = found);
    if (tree) ({ folders } = tree);
    drawFolders();
    draw(found.total);
  }

  async function more(button) {
    button.disabled = true;
    const found = await page(cursor);
    button.disabled = false;
    if (!found) return;
    cursor = found.next;
    const known = new Set(models.map((model) => model.id));
    const fresh = found.models.filter((model) => !known.has(model.id));
    models = [...models, ...fresh];
    byId("models_grid").append(...fresh.map(cell));
    button.hidden = !cursor;
    mark();
  }

  function wait() {
    byId("models_grid").setAttribute("aria-busy", "true");
    byId("models_grid").replaceChildren(...Array.from({ length: 8 }, () =>
      el("div", { class: "dk-model", "data-waits": true, "aria-hidden": "true" }, el("div", { class: "dk-model-picture" }), el("p", {}, "\u00a0"), el("p", {}, "\u00a0"))));
    say();
  }

  function draw(total) {
    const grid = byId("models_grid");
    grid.removeAttribute("aria-busy");
    grid.replaceChildren(...models.map(cell));
    setText(byId("models_count"), total === 0 ? "" : total === 1 ? t("models_count_one") : t("models_count_many", { n: total }));
    byId("models_more").hidden = !cursor;
    mark();
    if (models.length) say();
    else if (view.search || view.folder) say(t("models_none"), "", el("button", { type: "button", class: "dk-button", onclick: all }, t("models_show_all")));
    else if (owner()) say(t("models_empty_title"), t("models_empty", { folder: PLACES[view.kind] }), el("p", {}, t("models_empty_get")));
    else say(t("models_empty_title"), t("models_empty_guest"));
  }

  function say(title = "", text = "", way = null) {
    byId("models_empty").replaceChildren(...(title ? [el("h2", {}, title), ...(text ? [el("p", {}, text)] : []), ...(way ? [way] : [])] : []));
  }

  function all() {
    Object.assign(view, { folder: "", search: "" });
    byId("models_search").value = "";
    load();
    byId("models_search").focus();
  }

  // One press chooses what can be chosen; for everything else there are the details.
  function cell(model) {
    const name = model.label;
    const place = model.namesake && (!view.folder || model.folder !== view.folder) ? model.folder || t("model_top_folder") : "";
    const said = [model.family_title, bytes(model.size_bytes)].filter(Boolean);
    const press = () => (choosable(model) ? choose(model) : D.cards.open(model.id));
    const picture = model.preview
      ? el("img", { src: address(model, 512), alt: "", loading: "lazy", decoding: "async", onerror: (event) => event.target.remove() })
      : null;
    return el("div", { role: "listitem", class: "dk-model", "data-id": model.id, "data-problem": Boolean(model.problem) },
      el("button", { type: "button", class: "dk-model-choose", title: model.name, onclick: press },
        el("span", { class: "dk-model-picture" }, picture),
        el("span", { class: "dk-model-name" }, name),
        place ? el("span", { class: "dk-second dk-model-place" }, place) : null,
        el("span", { class: "dk-second" }, said.join(" · "))),
      ...(model.problem ? [el("p", { class: "dk-model-problem" }, t("model_unusable", { problem: model.problem }))] : []),
      ...(model.hides.length ? [el("p", { class: "dk-second" }, model.hides.length === 1 ? t("model_hides_one") : t("model_hides_many", { n: model.hides.length }))] : []),
      el("button", { type: "button", class: "dk-act", "aria-label": t("model_details_of", { what: t(owner() ? "model_edit" : "model_details"), name }), onclick: () => D.cards.open(model.id) },
        t(owner() ? "model_edit" : "model_details")));
  }

  // Parts are chosen in the picker in the head, which may not be pinned there.
  const choosable = (model) => model.usable && (["checkpoint", "lora"].includes(model.kind)
    || (["vae", "text_encoder"].includes(model.kind) && Boolean(byId("setting_sd_vae"))));

  // How a prompt names a LoRA, as A1111 writes it; with its folder where another one is called so.
  const promptOf = () => D.form.valuesOf("txt2img").prompt || "";
  const calledInPrompts = (model) => (model.namesake && model.folder ? `${model.folder}/${model.label}` : model.label);
  const tagged = (model) => promptOf().split("<lora:").slice(1).some((rest) => rest.split(/[:>]/)[0] === calledInPrompts(model));

  // A press puts it into the prompt with the weight that its card prefers, another takes it out again, as in A1111.
  function toggleLora(model) {
    const called = calledInPrompts(model);
    const prompt = promptOf();
    const was = tagged(model);
    const tag = `<lora:${called}:${model.preferred_weight || 1}>`;
    const without = prompt.replace(/ ?<lora:([^:>]+)[^>]*>/g, (whole, name) => (name === called ? "" : whole));
    D.form.fill("txt2img", { prompt: was ? without : `${prompt.trimEnd()} ${tag}`.trimStart() });
    mark();
    D.shell.notice(was ? t("model_lora_out", { name: model.label }) : t("model_word_added", { word: tag }));
  }

  async function choose(model) {
    if (model.kind === "lora") { toggleLora(model); return; }
    let taken = false;
    if (model.kind === "checkpoint") taken = await D.models.use(model.title);
    else {
      const field = model.kind === "vae" ? "vae" : "text_encoders";
      D.modules.pick({ [field]: model.title });
      taken = (D.modules.request()[field] || "").includes(model.title);
    }
    mark();
    const name = model.label;
    D.shell.notice(taken ? t("model_chosen", { name }) : t("model_unfit", { name }), taken ? "" : "warn");
  }

  // Which of them is chosen in the head.
  function mark() {
    const { vae, text_encoders: encoders = "" } = D.modules.request();
    const chosen = (model) => (model.kind === "checkpoint" ? model.title === D.models.chosen()
      : model.kind === "lora" ? tagged(model) : model.kind === "vae" ? model.title === vae : model.kind === "text_encoder" && encoders.split(", ").includes(model.title));
    const byName = new Map(models.map((model) => [model.id, model]));
    for (const node of byId("models_grid")?.children || []) {
      const model = byName.get(node.dataset.id);
      if (!model) continue;
      D.toggle(node, "data-picked", chosen(model));
      if (choosable(model)) node.firstElementChild.setAttribute("aria-pressed", String(chosen(model)));
    }
  }

  // Of the tree those that lie at the top are shown, and what lies in the folders on the way to the chosen one.
  function drawFolders() {
    const place = byId("models_folders");
    const paths = folders.map((folder) => folder.path).filter(Boolean);
    place.hidden = !paths.length;
    if (view.folder && !paths.includes(view.folder)) view.folder = "";
    const parent = (path) => path.slice(0, Math.max(0, path.lastIndexOf("/")));
    const open = (path) => view.folder === path || view.folder.startsWith(`${path}/`);
    const shown = folders.filter(({ path }) => !path.includes("/") || open(parent(path)));
    place.replaceChildren(...shown.map(({ path, models: n }) => {
      const holds = paths.some((one) => parent(one) === path) && path !== "";
      return el("button", { type: "button", class: "dk-folder", "data-path": path, "aria-pressed": String(view.folder === path),
        "aria-expanded": holds ? String(open(path)) : null, title: path, onclick: () => go(path) },
      el("span", { style: `padding-left: ${path ? path.split("/").length * 14 - 14 : 0}px` }, path ? path.split("/").pop() : t("models_all")),
      el("small", {}, String(n)));
    }));
  }

  function go(path) {
    view.folder = view.folder === path ? path.slice(0, Math.max(0, path.lastIndexOf("/"))) : path;
    load();
    drawFolders();
    [...byId("models_folders").children].find((node) => node.dataset.path === path)?.focus();
  }

  function sorted(by, order) {
    Object.assign(view, { sort: by, order });
    drawOrder();
    D.kept.set("models-view", { sort: by, order });
    load();
  }

  function drawOrder() {
    const button = byId("models_order");
    const rising = view.order === "asc";
    setText(button, rising ? "↑" : "↓");
    button.title = t(rising ? "models_ascending" : "models_descending");
    button.setAttribute("aria-label", button.title);
    for (const [id, value] of [["models_kind", view.kind], ["models_sort", view.sort]]) byId(id).value = value;
  }

  // One card that was changed, in its place.
  function replace(model) {
    const at = models.findIndex((one) => one.id === model.id);
    if (at < 0) return;
    models[at] = model;
    const old = [...byId("models_grid").children].find((node) => node.dataset.id === model.id);
    old?.replaceWith(cell(model));
    mark();
  }

  function arrows(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const node = by && event.target.matches(".dk-model-choose") && event.target.closest("[role=listitem]");
    const next = node && (by < 0 ? node.previousElementSibling : node.nextElementSibling);
    if (!next) return;
    event.preventDefault();
    next.firstElementChild.focus();
  }

  const search = D.later((text) => { view.search = text.trim(); load(); }, 250);
  document.addEventListener("input", ({ target }) => { if (target.id === "models_search") search(target.value); });
  document.addEventListener("change", ({ target }) => {
    if (target.id === "models_sort") sorted(target.value, FALLING.includes(target.value) ? "desc" : "asc");
    if (target.id === "models_kind") {
      Object.assign(view, { kind: target.value, folder: "" });
      models = [];
      load();
    }
  });
  document.addEventListener("keydown", (event) => { if (event.target.closest?.("#models_grid")) arrows(event); });
  D.onClick("models_order", () => sorted(view.sort, view.order === "asc" ? "desc" : "asc"));
  D.onClick("models_more", more);
  D.on("tab", (id) => {
    if (id !== "tab_models") return;
    const { sort, order } = D.kept.get("models-view") || {};
    if ([...byId("models_sort").options].some((option) => option.value === sort) && ["asc", "desc"].includes(order)) Object.assign(view, { sort, order });
    drawOrder();
    load();
  });
  D.on("online", (on) => { if (on && tab()) load(); });
  D.on("models", (refreshed) => {
    if (!tab()) return;
    if (refreshed) load();
    else mark();
  });
  D.cards = { address, bytes, replace, choosable, owner };
})();
