// What made a picture, as the server has read it from the infotext: prompt, negative prompt and a table of values.
(() => {
  const D = window.darkroom;
  const { t, el } = D;

  // Steps, sampler, ... in the infotext's own order; what only a program asks for is left to the infotext itself.
  function rows(picture, seconds) {
    const out = picture.values.filter(({ label }) => !["Model hash", "Version"].includes(label))
      .map(({ label, value }) => [label, label === "Size" ? D.size(picture.width, picture.height) : value]);
    if (seconds) out.push([t("info_time"), D.duration(seconds)]);
    return out;
  }

  function draw(place, picture, seconds) {
    place.replaceChildren(
      el("p", { class: "dk-prompt-text" }, picture.prompt),
      ...(picture.negative_prompt ? [el("p", { class: "dk-second" }, t("without", { text: picture.negative_prompt }))] : []),
      el("dl", { class: "dk-values" }, ...rows(picture, seconds).flatMap(([key, value]) => [el("dt", {}, key), el("dd", {}, value)])),
    );
  }

  D.facts = { draw };
})();
