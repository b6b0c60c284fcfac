// The Gallery tab: pages of thumbnails, newest first; the chosen picture with what made it; delete into the bin.
(() => {
  const D = window.darkroom;
  const { t, el, byId } = D;
  const PAGE = 60;
  let pictures = [];
  let chosen = null;
  let stale = true;
  let words = "";
  let asked = 0;

  async function load(more = false) {
    const ticket = ++asked;
    const last = more && pictures[pictures.length - 1];
    const query = new URLSearchParams({ limit: PAGE, ...(words && { search: words }), ...(last && { before: last.created }) });
    let answer;
    try {
      answer = await D.api("GET", `pictures?${query}`);
    } catch (problem) {
      nothing(problem.title, problem.detail);
      return;
    }
    if (ticket !== asked) return;
    stale = false;
    const fresh = answer.pictures || answer;
    pictures = more ? [...pictures, ...fresh] : fresh;
    byId("gallery_more").hidden = fresh.length < PAGE;
    draw(more ? fresh : null);
  }

  // New pages are added behind; everything else is drawn anew, with unchanged cells kept.
  function draw(added) {
    const grid = byId("gallery_grid");
    if (added) grid.append(...added.map(cell));
    else {
      const old = new Map([...grid.children].map((node) => [node.dataset.id, node]));
      grid.replaceChildren(...pictures.map((picture) => old.get(picture.id) || cell(picture)));
    }
    if (pictures.length) nothing();
    else if (words) nothing(t("gallery_none"));
    else nothing(t("gallery_empty_title"), t("gallery_empty"));
    if (chosen && !pictures.some((picture) => picture.id === chosen.id)) chosen = null;
    show(chosen || (matchMedia("(min-width: 721px)").matches ? pictures[0] : null), false);
  }

  function nothing(title = "", text = "") {
    byId("gallery_empty").replaceChildren(...(title ? [el("h2", {}, title), el("p", {}, text)] : []));
  }

  function cell(picture) {
    const alt = t("picture_alt", { prompt: picture.prompt.slice(0, 200) || t("no_prompt"), seed: picture.seed });
    const press = () => (chosen?.id === picture.id ? open(picture) : show(picture));
    return el("div", { role: "listitem", "data-id": picture.id },
      el("button", { type: "button", onclick: press, ondblclick: () => open(picture) },
        el("img", { src: D.jobs.thumb(picture, 320), alt, loading: "lazy", decoding: "async" })));
  }

  const open = (picture) => D.lightbox.open(pictures, pictures.findIndex((one) => one.id === picture.id));

  function show(picture, scroll = true) {
    chosen = picture || null;
    for (const node of byId("gallery_grid").children) D.toggle(node, "data-picked", node.dataset.id === chosen?.id);
    const place = byId("gallery_detail");
    place.hidden = !chosen;
    if (!chosen || place.dataset.id === chosen.id) return;
    place.dataset.id = chosen.id;
    const info = el("div");
    D.facts.draw(info, chosen);
    const line = [D.moment(chosen.created), D.size(chosen.width, chosen.height), chosen.name].filter(Boolean).join(" · ");
    place.replaceChildren(
      el("button", { type: "button", class: "dk-cell", title: t("open"), onclick: () => open(picture) },
        el("img", { src: D.jobs.file(picture), alt: t("picture_alt", { prompt: "", seed: picture.seed }), width: picture.width, height: picture.height })),
      el("p", { class: "dk-second" }, line), info,
      el("div", { class: "dk-acts" },
        el("button", { type: "button", class: "dk-act", onclick: () => D.form.useInfotext("txt2img", picture.infotext) }, t("to_txt2img")),
        el("a", { class: "dk-act", href: D.jobs.file(picture), download: picture.name || "" }, t("download")),
        el("button", { type: "button", class: "dk-act", onclick: () => D.copy(picture.infotext) }, t("copy")),
        D.sure(t("delete"), t("delete_sure"), () => remove(picture))));
    if (scroll) place.scrollIntoView({ block: "nearest" });
  }

  async function remove(picture) {
    try {
      await D.api("DELETE", `pictures/${encodeURIComponent(picture.id)}`);
    } catch (problem) {
      D.shell.notice(problem.message, "err");
      return;
    }
    const at = pictures.findIndex((one) => one.id === picture.id);
    pictures = pictures.filter((one) => one.id !== picture.id);
    chosen = pictures[Math.min(at, pictures.length - 1)] || null;
    D.jobs.forget(picture.id);
    draw(null);
    D.shell.notice(t("deleted"), "", { text: t("undo"), call: () => restore(picture) });
  }

  async function restore(picture) {
    try {
      await D.api("POST", `pictures/${encodeURIComponent(picture.id)}/restore`);
    } catch (problem) {
      D.shell.notice(problem.message, "err");
      return;
    }
    chosen = picture;
    load();
  }

  // A button that asks once more in its own place; it forgets the question after a while.
  D.sure = (text, question, call) => {
    const button = el("button", { type: "button", class: "dk-act" }, text);
    let timer = 0;
    const calm = () => { clearTimeout(timer); button.textContent = text; button.removeAttribute("data-asking"); };
    button.addEventListener("click", () => {
      if (button.hasAttribute("data-asking")) { calm(); call(); return; }
      button.textContent = question;
      button.setAttribute("data-asking", "");
      timer = setTimeout(calm, 4000);
    });
    return button;
  };

  function arrows(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const node = by && event.target.closest("[role=listitem]");
    const next = node && (by < 0 ? node.previousElementSibling : node.nextElementSibling);
    if (!next) return;
    event.preventDefault();
    next.firstElementChild.focus();
    show(pictures.find((picture) => picture.id === next.dataset.id));
  }

  const search = D.later((text) => { words = text.trim(); load(); }, 250);
  document.addEventListener("input", (event) => { if (event.target.id === "gallery_search") search(event.target.value); });
  document.addEventListener("keydown", (event) => { if (event.target.closest?.("#gallery_grid")) arrows(event); });
  D.onClick("gallery_more", () => load(true));
  D.on("tab", (id) => { if (id === "tab_gallery" && stale) load(); });
  D.on("ended", () => {
    stale = true;
    if (D.shell.state.tab === "tab_gallery") load();
  });
})();
