// A list of cards, a page at a time: of a kind, by folder and words, in the order that is asked for.
(() => {
  const D = window.darkroom;
  const { t, el, byId, setText } = D;
  const PAGE = 60;
  // So many the server gives at a time.
  const LIMIT = 200;
  const PLACES = { checkpoint: "Stable-diffusion", vae: "VAE", text_encoder: "text_encoder", lora: "Lora", embedding: "embeddings" };
  // What is read from the largest or the newest on when it is first asked for.
  const FALLING = ["date", "size"];
  const lists = [];

  // ids: of the list's own elements, by what they are for. kind: what is listed first; where there is an element for the
  // kind, another can be chosen. isShown: whether somebody sees it now. kept: under which name its order is remembered.
  function cardList({ ids, kind, isShown, kept }) {
    const view = { kind, sort: "name", order: "asc", folder: "", search: "" };
    const place = (name) => byId(ids[name]);
    let models = [];
    let folders = [];
    let cursor = null;
    let asked = 0;
    let drawn = "";
    // What each cell was drawn of, by the model's id.
    const cells = new Map();

    function query(after, limit) {
      const { folder, search, ...rest } = view;
      const checkpoint = ["lora", "embedding"].includes(view.kind) && D.models.chosen();
      return new URLSearchParams({ ...rest, limit, ...(folder && { folder }), ...(search && { search }), ...(checkpoint && { checkpoint }), ...(after && { cursor: after }) });
    }

    // A page as it is asked for now; null when it failed or another list has been asked for since.
    async function page(after, limit = PAGE) {
      const mine = asked;
      try {
        const answer = await D.api("GET", `models?${query(after, limit)}`);
        return mine === asked ? answer : null;
      } catch (problem) {
        if (mine !== asked) return null;
        if (models.length) D.shell.notice(problem.message, "err");
        else say(problem.title, problem.detail);
        return null;
      }
    }

    // The first page; of a list that is read anew as much as is shown, so that nobody is thrown back to its top.
    async function pages(count) {
      const found = await page(undefined, Math.min(LIMIT, Math.max(PAGE, count)));
      while (found?.next && found.models.length < count) {
        const more = await page(found.next, Math.min(LIMIT, Math.max(PAGE, count - found.models.length)));
        if (!more) return null;
        const known = new Set(found.models.map((model) => model.id));
        found.models.push(...more.models.filter((model) => !known.has(model.id)));
        found.next = more.next;
      }
      return found;
    }

    // What stands there stays until the answer comes, but for another kind of list: then cells of the same size do.
    async function load() {
      asked += 1;
      const wanted = JSON.stringify(view);
      if (drawn !== wanted && !models.length) wait();
      const shown = drawn === wanted ? models.length : 0;
      const [found, tree] = await Promise.all([pages(shown), D.api("GET", `models/folders?kind=${view.kind}`).catch(() => null)]);
      if (!found) return;
      const same = drawn === wanted && tree && JSON.stringify(tree.folders) === JSON.stringify(folders);
      drawn = wanted;
      ({ models, next: cursor } = found);
      if (tree) ({ folders } = tree);
      if (!same) drawFolders();
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
      place("grid").append(...fresh.map(cell));
      button.hidden = !cursor;
      mark();
    }

    function wait() {
      place("grid").setAttribute("aria-busy", "true");
      place("grid").replaceChildren(...Array.from({ length: 8 }, () =>
        el("div", { class: "dk-model", "data-waits": true, "aria-hidden": "true" }, el("div", { class: "dk-model-picture" }), el("p", {}, "\u00a0"), el("p", {}, "\u00a0"))));
      say();
    }

    function draw(total) {
      const grid = place("grid");
      grid.removeAttribute("aria-busy");
      const wanted = new Set(models.map((model) => model.id));
      // First, so that those behind it stay where they are, and with them who is at one.
      for (const node of [...grid.children]) if (!wanted.has(node.dataset.id)) node.remove();
      const before = new Map([...grid.children].map((node) => [node.dataset.id, node]));
      models.forEach((model, index) => {
        const old = before.get(model.id);
        const node = old && cells.get(model.id) === said(model) ? old : cell(model);
        if (grid.children[index] !== node) grid.insertBefore(node, grid.children[index] || null);
        if (old && old !== node) follow(old, node);
      });
      setText(place("count"), total === 0 ? "" : total === 1 ? t("models_count_one") : t("models_count_many", { n: total }));
      place("more").hidden = !cursor;
      mark();
      if (models.length) say();
      else if (view.search || view.folder) say(t("models_none"), "", el("button", { type: "button", class: "dk-button", onclick: all }, t("models_show_all")));
      else if (D.cards.owner()) say(t("models_empty_title"), t("models_empty", { folder: PLACES[view.kind] }), el("p", {}, t("models_empty_get")));
      else say(t("models_empty_title"), t("models_empty_guest"));
    }

    function say(title = "", text = "", way = null) {
      place("empty").replaceChildren(...(title ? [el("h2", {}, title), ...(text ? [el("p", {}, text)] : []), ...(way ? [way] : [])] : []));
    }

    function all() {
      Object.assign(view, { folder: "", search: "" });
      place("search").value = "";
      load();
      place("search").focus();
    }

    const said = (model) => JSON.stringify([model, view.folder, D.cards.owner()]);

    function cell(model) {
      cells.set(model.id, said(model));
      return D.cards.cell(model, view.folder);
    }

    // Who is at a card stays at it when it is drawn anew.
    function follow(old, node) {
      const at = [...old.children].indexOf(document.activeElement);
      old.remove();
      if (at >= 0) node.querySelector(at ? ".dk-act" : ".dk-model-choose")?.focus();
    }

    // Which of them are chosen, in the head or in the prompt.
    function mark() {
      const byName = new Map(models.map((model) => [model.id, model]));
      for (const node of place("grid")?.children || []) {
        const model = byName.get(node.dataset.id);
        if (!model) continue;
        const picked = D.cards.picked(model);
        D.toggle(node, "data-picked", picked);
        if (D.cards.choosable(model)) node.firstElementChild.setAttribute("aria-pressed", String(picked));
      }
    }

    // Of the tree those that lie at the top are shown, and what lies in the folders on the way to the chosen one.
    function drawFolders() {
      const nav = place("folders");
      const paths = folders.map((folder) => folder.path).filter(Boolean);
      nav.hidden = !paths.length;
      if (view.folder && !paths.includes(view.folder)) view.folder = "";
      const parent = (path) => path.slice(0, Math.max(0, path.lastIndexOf("/")));
      const open = (path) => view.folder === path || view.folder.startsWith(`${path}/`);
      const shown = folders.filter(({ path }) => !path.includes("/") || open(parent(path)));
      nav.replaceChildren(...shown.map(({ path, models: n }) => {
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
      [...place("folders").children].find((node) => node.dataset.path === path)?.focus();
    }

    function sorted(by, order) {
      Object.assign(view, { sort: by, order });
      drawOrder();
      D.kept.set(kept, { sort: by, order });
      load();
    }

    function drawOrder() {
      const button = place("order");
      const rising = view.order === "asc";
      setText(button, rising ? "↑" : "↓");
      button.title = t(rising ? "models_ascending" : "models_descending");
      button.setAttribute("aria-label", button.title);
      for (const [name, value] of [["kind", view.kind], ["sort", view.sort]]) if (place(name)) place(name).value = value;
    }

    // One card that was changed, in its place.
    function replace(model) {
      const at = models.findIndex((one) => one.id === model.id);
      if (at < 0) return;
      // How it stands to the checkpoint is said in lists alone.
      models[at] = { unfit: models[at].unfit, ...model };
      [...(place("grid")?.children || [])].find((node) => node.dataset.id === model.id)?.replaceWith(cell(models[at]));
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

    // Somebody comes to it.
    function open() {
      const { sort, order } = D.kept.get(kept) || {};
      if ([...place("sort").options].some((option) => option.value === sort) && ["asc", "desc"].includes(order)) Object.assign(view, { sort, order });
      drawOrder();
      return load();
    }

    const search = D.later((text) => { view.search = text.trim(); load(); }, 250);
    document.addEventListener("input", ({ target }) => { if (target.id === ids.search) search(target.value); });
    document.addEventListener("change", ({ target }) => {
      if (target.id === ids.sort) sorted(target.value, FALLING.includes(target.value) ? "desc" : "asc");
      if (ids.kind && target.id === ids.kind) {
        Object.assign(view, { kind: target.value, folder: "" });
        models = [];
        load();
      }
    });
    document.addEventListener("keydown", (event) => { if (event.target.closest?.(`#${ids.grid}`)) arrows(event); });
    D.onClick(ids.order, () => sorted(view.sort, view.order === "asc" ? "desc" : "asc"));
    D.onClick(ids.more, more);
    D.on("online", (on) => { if (on && isShown()) load(); });
    D.on("models", (refreshed) => {
      if (!isShown()) return;
      // Which fit is another question with another checkpoint.
      if (refreshed || ["lora", "embedding"].includes(view.kind)) load();
      else mark();
    });
    const list = { open, load, mark, replace, isShown };
    lists.push(list);
    return list;
  }

  D.cardList = cardList;
  D.cardLists = lists;
})();
