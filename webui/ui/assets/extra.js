// A1111's Extra: the variation seed and the noise of another size. While it is switched off, jobs are made without them.
(() => {
  const D = window.darkroom;
  const { t, byId } = D;
  const NAMES = ["subseed", "subseed_strength", "seed_resize_from_w", "seed_resize_from_h"];
  let on = Boolean(D.kept.get("extra", sessionStorage) ?? D.kept.get("extra"));

  const box = () => byId("txt2img_subseed_show")?.querySelector("input");

  function draw() {
    D.toggle(document.documentElement, "data-extra", on);
    if (box()) box().checked = on;
  }

  function set(now) {
    on = now;
    for (const store of [sessionStorage, localStorage]) D.kept.set("extra", on, store);
    draw();
  }

  // What made a picture: what is set should be seen, and what was not used counts no more.
  const use = (values) => set(values.subseed_strength > 0 || values.seed_resize_from_w > 0);

  function reuse() {
    const picture = D.results.selected();
    const said = picture?.values.find(({ label }) => label === "Variation seed");
    if (said) D.form.fill("txt2img", { subseed: Number(said.value) });
    else if (picture) D.shell.notice(t("no_subseed"));
  }

  document.addEventListener("change", ({ target }) => { if (target === box()) set(target.checked); });
  D.on("drawn", draw);
  D.on("tab", draw);
  D.onClick("txt2img_random_subseed", () => D.form.fill("txt2img", { subseed: -1 }));
  D.onClick("txt2img_reuse_subseed", reuse);
  D.extra = { use, unasked: () => (on ? [] : NAMES) };
})();
