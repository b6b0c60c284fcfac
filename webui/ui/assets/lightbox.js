// A picture in full, over the page: arrows go on, Escape closes, and the focus goes back to where it was.
(() => {
  const D = window.darkroom;
  const { t, el } = D;
  let dialog = null;
  let pictures = [];
  let at = 0;

  function build() {
    const step = (by) => () => { at = (at + by + pictures.length) % pictures.length; draw(); };
    dialog = el("dialog", { id: "dk_lightbox", "aria-label": t("open") },
      el("img", { onclick: () => dialog.close() }),
      el("button", { type: "button", class: "dk-before", "aria-label": t("previous"), onclick: step(-1) }, "‹"),
      el("button", { type: "button", class: "dk-after", "aria-label": t("next"), onclick: step(1) }, "›"),
      el("button", { type: "button", class: "dk-close", "aria-label": t("close"), onclick: () => dialog.close() }, "×"));
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") step(-1)();
      if (event.key === "ArrowRight") step(1)();
      if (event.key === "Delete" && !event.repeat) {
        // The way back stands on the page, under this.
        dialog.close();
        D.gallery.remove(pictures[at], false);
      }
      event.stopPropagation();
    });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    document.querySelector(".gradio-container").append(dialog);
  }

  function draw() {
    const picture = pictures[at];
    const image = dialog.querySelector("img");
    image.src = D.jobs.file(picture);
    image.alt = t("picture_alt", { prompt: picture.prompt, seed: picture.seed });
    dialog.toggleAttribute("data-one", pictures.length < 2);
  }

  function open(list, index) {
    if (!dialog) build();
    pictures = [...list];
    at = index;
    draw();
    dialog.showModal();
  }

  D.lightbox = { open };
})();
