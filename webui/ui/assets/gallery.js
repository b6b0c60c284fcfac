// The Gallery tab: pages of thumbnails, newest first; the chosen picture with what made it; delete into the bin.
(() => {
  const D = window.darkroom;
  const { t, el, byId } = D;
  const PAGE = 60;
  const narrow = matchMedia("(max-width: 720px)");
  const told = new Set();
  const leaving = new Set();
  // When pictures went into the bin: a list that was asked for before still has them.
  const gone = new Map();
  let pictures = [];
  let chosen = null;
  let loaded = false;
  let stale = false;
  let words = "";
  let list = 0;

  // A page of the list as it is asked for now; null when it failed or another list has been asked for since.
  async function page(before) {
    const mine = list;
    const query = new URLSearchParams({ limit: PAGE, ...(words && { search: words }), ...(before && { before }) });
    try {
      const answer = await D.api("GET", `pictures?${query}`);
      return mine === list ? answer.pictures : null;
    } catch (problem) {
      if (mine !== list) return null;
      if (pictures.length) D.shell.notice(problem.message, "err");
      else nothing(problem.title, problem.detail);
      return null;
    }
  }

  async function load() {
    list += 1;
    stale = false;
    const found = await page();
    if (!found) return;
    loaded = true;
    pictures = found;
    byId("gallery_more").hidden = found.length < PAGE;
    draw();
  }

  async function more(button) {
    button.disabled = true;
    const found = await page(pictures[pictures.length - 1].created);
    button.disabled = false;
    if (!found) return;
    pictures = [...pictures, ...found];
    button.hidden = found.length < PAGE;
    byId("gallery_grid").append(...found.map(cell));
  }

  // New pictures come in front of those that are there: the pages, the choice and what one looks at stay.
  async function merge() {
    stale = false;
    const asked = performance.now();
    const found = await page();
    if (!found) { stale = true; return; }
    const newest = pictures[0]?.created ?? -Infinity;
    const fresh = found.filter((picture) => picture.created > newest && !(gone.get(picture.id) > asked));
    if (fresh.length === PAGE) { load(); return; }
    pictures = [...fresh, ...pictures];
    if (fresh.length) keepSight(draw);
  }

  function keepSight(change) {
    const first = byId("gallery_grid").firstElementChild;
    const scrolled = first && first.getBoundingClientRect().bottom < 0;
    const seen = scrolled && [...byId("gallery_grid").children].find((node) => node.getBoundingClientRect().bottom > 0);
    const before = seen && seen.getBoundingClientRect().top;
    change();
    if (seen) scrollBy(0, seen.getBoundingClientRect().top - before);
  }

  // Unchanged cells are kept.
  function draw() {
    const grid = byId("gallery_grid");
    const old = new Map([...grid.children].map((node) => [node.dataset.id, node]));
    const wanted = pictures.map((picture) => old.get(picture.id) || cell(picture));
    for (const node of old.values()) if (!wanted.includes(node)) node.remove();
    wanted.forEach((node, index) => { if (grid.children[index] !== node) grid.insertBefore(node, grid.children[index] || null); });
    if (pictures.length) nothing();
    else if (words) nothing(t("gallery_none"));
    else nothing(t("gallery_empty_title"), t("gallery_empty"));
    if (chosen && !pictures.some((picture) => picture.id === chosen.id)) chosen = null;
    show(chosen || (narrow.matches ? null : pictures[0]), false);
  }

  function nothing(title = "", text = "") {
    byId("gallery_empty").replaceChildren(...(title ? [el("h2", {}, title), el("p", {}, text)] : []));
  }

  const alt = (picture) => t("picture_alt", { prompt: picture.prompt.slice(0, 200) || t("no_prompt"), seed: picture.seed });

  function cell(picture) {
    const press = () => (chosen?.id === picture.id ? open(picture) : show(picture));
    return el("div", { role: "listitem", "data-id": picture.id },
      el("button", { type: "button", onclick: press },
        el("img", { src: D.jobs.thumb(picture, 320), alt: alt(picture), loading: "lazy", decoding: "async" })));
  }

  const open = (picture) => D.lightbox.open(pictures, pictures.findIndex((one) => one.id === picture.id));

  function show(picture, scroll = true) {
    chosen = picture || null;
    for (const node of byId("gallery_grid").children) {
      const picked = node.dataset.id === chosen?.id;
      D.toggle(node, "data-picked", picked);
      node.firstElementChild.setAttribute("aria-pressed", String(picked));
    }
    const place = byId("gallery_detail");
    place.hidden = !chosen;
    if (!chosen) { delete place.dataset.id; return; }
    if (place.dataset.id !== chosen.id) detail(place, chosen);
    if (scroll && narrow.matches) place.scrollIntoView({ block: "nearest" });
  }

  // What can be done stands right under the picture, where it is seen without scrolling; the words may be long.
  function detail(place, picture) {
    place.dataset.id = picture.id;
    const facts = el("div");
    D.facts.draw(facts, picture);
    const line = [D.moment(picture.created), D.size(picture.width, picture.height), picture.name];
    const act = (key, onclick, title) => el("button", { type: "button", class: "dk-act", onclick, title }, t(key));
    place.replaceChildren(
      el("button", { type: "button", class: "dk-cell", title: t("open"), onclick: () => open(picture) },
        el("img", { src: D.jobs.file(picture), alt: alt(picture), width: picture.width, height: picture.height })),
      el("div", { class: "dk-acts" },
        act("to_txt2img", () => D.form.useInfotext("txt2img", picture.infotext)),
        el("a", { class: "dk-act", href: D.jobs.file(picture), download: picture.name }, t("download")),
        act("copy", () => D.copy(picture.infotext)),
        act("interrogate", () => D.captions.ofPicture(picture), t("interrogate_title")),
        act("delete", (event) => remove(picture, event.detail === 0))),
      el("p", { class: "dk-second" }, line.join(" · ")), facts);
    place.scrollTop = 0;
  }

  // One press, since the picture only goes into the bin; who pressed a key finds the way back under the same key.
  async function remove(picture, byKey) {
    if (leaving.has(picture.id)) return;
    leaving.add(picture.id);
    try {
      await D.api("DELETE", `pictures/${encodeURIComponent(picture.id)}`);
    } catch (problem) {
      D.shell.notice(problem.message, "err");
      return;
    } finally {
      leaving.delete(picture.id);
    }
    gone.set(picture.id, performance.now());
    const at = pictures.findIndex((one) => one.id === picture.id);
    const inGrid = byId("gallery_grid")?.contains(document.activeElement);
    pictures = pictures.filter((one) => one.id !== picture.id);
    if (chosen?.id === picture.id) chosen = pictures[Math.min(at, pictures.length - 1)] || null;
    D.jobs.forget(picture.id);
    if (loaded) draw();
    if (inGrid) focusChosen();
    const said = D.shell.notice(t("deleted", { name: picture.name }), "", { text: t("undo"), call: () => restore(picture) });
    if (byKey) said.querySelector("button").focus();
  }

  async function restore(picture) {
    try {
      D.jobs.remember(await D.api("POST", `pictures/${encodeURIComponent(picture.id)}/restore`));
    } catch (problem) {
      D.shell.notice(problem.message, "err");
      return;
    }
    chosen = picture;
    pictures = [...pictures.filter((one) => one.id !== picture.id), picture].sort((one, other) => other.created - one.created);
    if (!loaded) return;
    draw();
    focusChosen();
  }

  const focusChosen = () => document.querySelector("#gallery_grid [data-picked] button")?.focus();

  // The picture that is shown beside the grid; a field has its own use for the key.
  function deleteKey(event) {
    if (event.key !== "Delete" || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (!visible() || !chosen) return;
    if (event.target.matches("input, textarea") || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    remove(chosen, false);
  }

  function arrows(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const node = by && event.target.closest("[role=listitem]");
    const next = node && (by < 0 ? node.previousElementSibling : node.nextElementSibling);
    if (!next) return;
    event.preventDefault();
    next.firstElementChild.focus();
    show(pictures.find((picture) => picture.id === next.dataset.id), false);
  }

  const visible = () => D.shell.state.tab === "tab_gallery" && loaded;
  const soon = D.later(() => (visible() ? merge() : null), 200);
  const search = D.later((text) => { words = text.trim(); load(); }, 250);
  document.addEventListener("input", (event) => { if (event.target.id === "gallery_search") search(event.target.value); });
  document.addEventListener("keydown", (event) => { if (event.target.closest?.("#gallery_grid")) arrows(event); });
  document.addEventListener("keydown", deleteKey);
  D.onClick("gallery_more", more);
  D.on("tab", (id) => {
    if (id !== "tab_gallery") return;
    if (!loaded) load();
    else if (stale) merge();
  });
  D.on("online", (on) => { if (on && D.shell.state.tab === "tab_gallery") (loaded ? merge : load)(); });
  D.on("jobs", (job) => {
    const jobs = job ? [job] : [...D.jobs.all.values()];
    const fresh = jobs.flatMap((one) => one.pictures).filter((picture) => !told.has(picture.id));
    for (const picture of fresh) told.add(picture.id);
    if (!fresh.length) return;
    stale = true;
    soon();
  });
  D.gallery = { remove };
})();
