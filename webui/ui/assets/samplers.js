// The list of samplers: grouped by where they come from, without those that the owner has hidden. Those whose package is
// missing stand in it with the reason and cannot be chosen.
(() => {
  const D = window.darkroom;
  const { t, byId } = D;
  const ID = "txt2img_sampling";
  let hidden = [];
  // Why some cannot be used here, by name.
  let reasons = {};

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
      explain(row, reasons[row.getAttribute("aria-label")] || "");
    }
  }

  function explain(row, reason) {
    if ((row.dataset.reason || "") === reason) return;
    row.dataset.reason = row.title = reason;
    row.setAttribute("aria-disabled", String(Boolean(reason)));
  }

  async function learn() {
    const { samplers } = await D.api("GET", "samplers").catch(() => ({ samplers: [] }));
    reasons = Object.fromEntries(samplers.filter((row) => !row.available).map((row) => [row.name, row.reason]));
    drawList();
  }

  // Gradio chooses what is pressed, or with Enter what the arrows have reached.
  function refuse(event) {
    const [row] = event.type === "mousedown" ? [event.target.closest?.(`#${ID} [role=option]`)]
      : event.key === "Enter" && event.target.closest?.(`#${ID}`) ? document.querySelectorAll(`#${ID} [role=option].active`) : [];
    if (row?.getAttribute("aria-disabled") !== "true") return;
    event.preventDefault();
    event.stopPropagation();
  }

  // A name that none of the list holds, as it is spelt elsewhere or with the schedule at its end, is read as in a text.
  let typed = "";
  const knows = (name) => D.extensions.samplers.some(([one]) => one.toLowerCase().includes(name.trim().toLowerCase()));

  async function understand() {
    const name = typed.trim();
    typed = "";
    if (!name || knows(name)) return;
    try {
      const { values } = await D.api("POST", "infotext", { text: `Steps: 1, Seed: 1, Size: 64x64, Sampler: ${JSON.stringify(name)}` });
      const { sampler_name, scheduler } = values;
      if (sampler_name) D.form.fill("txt2img", { sampler_name, ...(scheduler ? { scheduler } : {}) });
      else D.shell.notice(t("sampler_unknown", { name }));
    } catch (problem) {
      D.problems.report(problem);
    }
  }

  // Gradio draws the list when it is opened, and anew while it is searched.
  D.on("start", () => {
    const place = byId(ID);
    if (!place) return;
    new MutationObserver(drawList).observe(place, { childList: true, subtree: true, attributeFilter: ["aria-label"] });
    for (const kind of ["mousedown", "keydown"]) place.addEventListener(kind, refuse, true);
    place.addEventListener("input", ({ target }) => { typed = target.value; });
    place.addEventListener("keydown", ({ key, target }) => {
      // Gradio writes nothing over what is typed until the field is left.
      if (key === "Enter" && typed && !knows(typed)) target.blur();
      if (key === "Escape") typed = "";
    });
    place.addEventListener("mousedown", () => { typed = ""; });
    place.addEventListener("focusout", understand);
    learn();
  });
  D.on("status", ({ settings }) => {
    const now = settings.hide_samplers;
    if (now.join("\n") === hidden.join("\n")) return;
    hidden = now;
    for (const name of ["sampler_name", "hr_sampler_name"]) D.form.offer("txt2img", name);
  });
  D.samplers = { offered };
})();
