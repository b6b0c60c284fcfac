// The list of samplers: grouped by where they come from, without those that the owner has hidden.
(() => {
  const D = window.darkroom;
  const { t, byId } = D;
  const ID = "txt2img_sampling";
  let hidden = [];

  const groupOf = (name) => D.extensions.samplers.find(([one]) => one === name)?.[1];

  // What the list offers. One that is hidden and chosen, as by a read text, stays.
  const offered = (names, value) => names.filter((name) => !hidden.includes(name) || name === value);

  // The rows come group by group; where another than the first begins, it is named.
  function drawList() {
    const plain = D.extensions.samplers[0]?.[1];
    let before = plain;
    for (const row of document.querySelectorAll(`#${ID} [role=option]`)) {
      const group = groupOf(row.getAttribute("aria-label")) ?? before;
      const heading = group === before || group === plain ? "" : t("samplers_from", { group });
      if ((row.dataset.heading || "") !== heading) {
        if (heading) row.dataset.heading = heading;
        else delete row.dataset.heading;
      }
      before = group;
    }
  }

  // Gradio draws the list when it is opened, and anew while it is searched.
  D.on("start", () => {
    const place = byId(ID);
    if (place) new MutationObserver(drawList).observe(place, { childList: true, subtree: true, attributeFilter: ["aria-label"] });
  });
  D.on("status", ({ settings }) => {
    const now = settings.hide_samplers;
    if (now.join("\n") === hidden.join("\n")) return;
    hidden = now;
    D.form.offer("txt2img", "sampler_name");
  });
  D.samplers = { offered };
})();
