// The results area: one state at a time on data-state, three layers in one cell, and what stands beside the picture.
(() => {
  const D = window.darkroom;
  const { t, el, byId, setText, toggle } = D;
  // Pixels between pictures, as in results.css.
  const GAP = 8;
  let problem = null;
  let picked = 0;
  let drawn = "";
  let told = null;

  const root = () => byId("txt2img_results");
  const part = (name) => root().querySelector(name);

  function stateOf(job) {
    if (problem) return "error";
    if (!job) return "empty";
    if (job.state === "queued") return "waiting";
    if (job.state === "running") return job.step ? "running" : "loading";
    if (job.state === "failed") return "error";
    if (job.state === "done" && !job.interrupted && !job.pictures.length) return "empty";
    return job.interrupted ? "interrupted" : "done";
  }

  function draw() {
    if (!root()) return;
    const job = D.jobs.current();
    const state = stateOf(job);
    if (root().dataset.state !== state) root().dataset.state = state;
    drawGrid(job, state);
    drawBar(job, state);
    drawPreview(job, state);
    if (state === "error") drawProblem(problem || job.problem, job);
    else if (["done", "interrupted"].includes(state)) drawInfo(job);
    else drawRunning(job, state);
    announce(job, state);
  }

  // The pictures of the job that ended; while another is made, they stay where they are, dimmed by the sheet.
  function drawGrid(job, state) {
    const grid = byId("txt2img_gallery");
    const making = ["waiting", "loading", "running"].includes(state);
    if (making && job.pictures.length === 0 && drawn) return;
    const pictures = job?.pictures || [];
    const key = pictures.map((picture) => picture.id).join(" ");
    if (making || key === drawn) return;
    drawn = key;
    picked = 0;
    const shape = pictures.length ? arrange(pictures.length, pictures[0].width / pictures[0].height) : { along: "row", counts: [] };
    grid.dataset.along = shape.along;
    let index = 0;
    grid.replaceChildren(...shape.counts.map((count) => {
      const line = pictures.slice(index, index + count).map((picture, i) => cell(job, picture, index + i, pictures.length));
      for (const node of line) place(node, shape, count);
      index += count;
      return el("div", { class: "dk-line", role: "none" }, ...line);
    }));
    mark();
  }

  // n pictures of one aspect (width through height) in lines that all end at the same edge, so that there is no hole:
  // the lines, as rows or as columns, that cover most of the square stage. `across` is what they take up the other way
  // when they are as long as the stage, `slack` the gaps that this leaves out of account.
  function arrange(n, aspect) {
    let best = { area: 0 };
    for (const along of ["row", "column"]) {
      const ratio = along === "row" ? aspect : 1 / aspect;
      for (let lines = 1; lines <= n; lines += 1) {
        const counts = Array.from({ length: lines }, (_, i) => Math.floor((n + i) / lines));
        const across = counts.reduce((sum, k) => sum + 1 / (k * ratio), 0);
        const slack = counts.reduce((sum, k) => sum + (k - 1) / (k * ratio), 1 - lines);
        const length = Math.min(1, 1 / across);
        const area = length * length * across;
        const width = along === "row" ? length : length * across;
        const better = area - best.area;
        if (better > 1e-6 || (better > -1e-6 && width > best.width + 1e-6)) best = { along, counts, across, slack, aspect, area, width };
      }
    }
    return best;
  }

  function place(node, { along, across, slack, aspect }, count) {
    const length = `min(100cqw, (100cqw + ${GAP * slack}px) / ${across})`;
    node.style[along === "row" ? "width" : "height"] = `calc((${length} - ${GAP * (count - 1)}px) / ${count})`;
    node.style.aspectRatio = String(aspect);
  }

  function cell(job, picture, index, all) {
    const address = all === 1 ? D.jobs.file(picture) : D.jobs.thumb(picture, 768);
    const alt = t("picture_alt", { prompt: job.request.prompt.slice(0, 200) || t("no_prompt"), seed: picture.seed });
    const press = () => {
      if (index === picked) D.lightbox.open(job.pictures, index);
      picked = index;
      mark();
      drawInfo(job);
    };
    return el("div", { role: "listitem" },
      el("button", { type: "button", class: "dk-cell", title: t("open"), onclick: press }, el("img", { src: address, alt })));
  }

  function mark() {
    const cells = [...document.querySelectorAll("#txt2img_gallery .dk-cell")];
    cells.forEach((node, index) => toggle(node, "data-picked", cells.length > 1 && index === picked));
  }

  // Only the newest preview is fetched, and the next only when the last has come.
  let fetching = false;
  let showing = "";
  let shownOf = null;
  function drawPreview(job, state) {
    const image = byId("txt2img_livepreview");
    const live = job && job.preview !== undefined && (state === "running" || state === "loading");
    if (state === "error" && !problem && shownOf === job.id) return;
    if (!live) {
      if (!image.hidden) settle(image);
      return;
    }
    const address = D.jobs.preview(job);
    if (fetching || address === showing) return;
    fetching = true;
    showing = address;
    shownOf = job.id;
    // Loaded aside: where one is gone by the time that it is asked for, the last one stays.
    const next = el("img", { id: image.id, alt: t("preview_alt"), src: address });
    const come = (there) => {
      fetching = false;
      // A preview that comes after its job's end would cover the finished picture.
      if (D.jobs.current() !== job || !["running", "failed"].includes(job.state)) { settle(image); return; }
      if (there) image.replaceWith(next);
      drawPreview(job, stateOf(job));
    };
    next.decode().then(() => come(true), () => come(false));
  }

  // The preview leaves only when the picture under it can be seen.
  function settle(image) {
    const first = document.querySelector("#txt2img_gallery img");
    const hide = () => { image.hidden = true; };
    if (!first || first.complete) hide();
    else first.decode().then(hide, hide);
  }

  function drawBar(job, state) {
    const bar = part(".dk-bar");
    const share = job && D.jobs.fraction(job);
    const moving = state === "loading" || (state === "running" && share === null);
    D.bar(bar, ["running", "error"].includes(state) ? share || 0 : 0);
    toggle(bar, "data-moving", moving);
    if (state !== "running") bar.removeAttribute("aria-valuenow");
  }

  function drawRunning(job, state) {
    if (!job) return;
    const [first, second] = counter(job, state);
    setText(part(".dk-step"), first);
    setText(part(".dk-left"), second);
    const { queue, you } = D.shell.state;
    byId("txt2img_resume").hidden = !queue.paused || you?.level !== "owner";
    setText(part(".dk-paused"), queue.paused && state !== "waiting" ? t("paused_said") : "");
    const request = job.request;
    const sampler = [request.sampler_name, request.scheduler].filter((name) => name && name !== "Automatic").join(" ");
    const others = beside(job);
    setText(part(".dk-which"), [which(job), sampler, others, ...job.notes].filter(Boolean).join(" · "));
    part(".dk-which").title = others && t("beside_title");
    const sofar = part(".dk-sofar");
    const ids = job.pictures.map((picture) => picture.id).join(" ");
    if (sofar.dataset.ids === ids) return;
    sofar.dataset.ids = ids;
    sofar.replaceChildren(...job.pictures.map((picture, index) =>
      el("button", { type: "button", title: t("open"), onclick: () => D.lightbox.open(job.pictures, index) },
        el("img", { src: D.jobs.thumb(picture, 128), alt: t("picture_alt", { prompt: "", seed: picture.seed }) }))));
  }

  function counter(job, state) {
    if (state === "waiting") {
      const reason = job.reason && job.started ? t("again_after", { reason: job.reason }) : job.reason || "";
      if (!D.shell.state.queue.paused) return [D.jobs.place(job), reason];
      return [t("paused_said"), [D.jobs.place(job), reason].filter(Boolean).join(" · ")];
    }
    if (state === "loading") return D.jobs.loading(job);
    const left = D.jobs.left(job);
    const done = D.jobs.fraction(job) >= 1;
    const second = job.interrupting ? stopping(job) : done ? t("finishing") : left === null ? "" : t("left", { time: D.duration(left) });
    return [t("step", job.step), second];
  }

  // The pictures of a batch are made together, so they end together too.
  function stopping(job) {
    const n = job.request.batch_size;
    return n === 1 ? t("stopping") : t("stopping_batch", { n });
  }

  function beside(job) {
    const n = D.jobs.beside(job);
    return n > 0 ? t(n === 1 ? "one_beside" : "many_beside", { n }) : "";
  }

  function which(job) {
    const { n_iter: batches, batch_size: side } = job.request;
    const all = batches * side;
    if (all === 1) return "";
    const from = ((job.step?.batch || 1) - 1) * side + 1;
    return side === 1 ? t("picture_of", { from, all }) : t("pictures_of", { from, to: from + side - 1, all });
  }

  function drawInfo(job) {
    const picture = job.pictures[picked] || job.pictures[0];
    const stopped = picture?.stopped_at;
    const caption = !job.interrupted ? "" : stopped ? t("stopped_at", { step: stopped }) : picture ? "" : t("stopped");
    setText(part(".dk-caption"), caption || job.notes.join(" · "));
    byId("image_buttons_txt2img").hidden = !picture;
    const place = byId("html_info_txt2img");
    if (!picture) { place.replaceChildren(); return; }
    D.facts.draw(place, picture, job.timings?.total ?? (job.ended && job.started ? job.ended - job.started : null));
    const link = byId("txt2img_download");
    link.href = D.jobs.file(picture);
    link.download = picture.name || "";
  }

  function drawProblem(what, job) {
    const place = part(".dk-error");
    const key = `${what.title}\n${what.detail}\n${job?.id}`;
    if (place.dataset.key === key) return;
    place.dataset.key = key;
    const retry = () => (problem ? problem.again() : D.make.again(job));
    const report = what.report && el("pre", { hidden: true, tabindex: "0" }, what.report);
    place.replaceChildren(
      el("h2", {}, what.title), el("p", {}, what.detail),
      ...what.remedies.map((remedy) => D.problems.remedy(remedy, what.field)),
      el("button", { type: "button", class: "dk-link", onclick: retry }, t("try_again")),
      ...(report ? [el("button", { type: "button", class: "dk-link", onclick: () => { report.hidden = !report.hidden; } }, t("show_report")), report] : []));
  }

  // Polite and rare: every quarter, and the end.
  function announce(job, state) {
    if (!job) return;
    const share = D.jobs.fraction(job) || 0;
    const quarter = Math.floor(share * 4) * 25;
    const ready = state === "done" || state === "interrupted";
    const n = job.pictures.length;
    const text = ready ? (n === 1 ? t("one_ready") : t("many_ready", { n }))
      : state === "running" && quarter > 0 && quarter < 100 ? t("percent_done", { n: quarter }) : null;
    const key = `${job.id} ${text}`;
    if (told === null) { told = key; if (ready) return; }
    if (text === null || key === told) return;
    told = key;
    setText(byId("txt2img_news"), text);
  }

  function selected() {
    const job = D.jobs.current();
    const pictures = job?.pictures.length ? job.pictures : [...D.jobs.all.values()].reverse().find((one) => one.pictures.length)?.pictures;
    return pictures?.[picked] || pictures?.[0] || null;
  }

  const shownJob = () => {
    const picture = selected();
    return picture && D.jobs.all.get(picture.job_id);
  };

  D.on("jobs", draw);
  D.on("preview", (job) => { if (root() && job === D.jobs.current()) drawPreview(job, stateOf(job)); });
  D.on("drawn", draw);
  D.on("status", draw);
  D.on("tab", draw);
  setInterval(() => {
    const job = D.jobs.current();
    // What is drawn as running may be over, a moment before it is drawn so.
    if (job && root()?.dataset.state === "running" && !document.hidden) drawRunning(job, "running");
  }, 500);
  D.onClick("txt2img_resume", async () => {
    await D.make.act("POST", "queue/resume");
    await D.shell.refresh();
  });
  D.onClick("txt2img_again", () => { const job = shownJob(); if (job) D.make.again(job); });
  D.onClick("txt2img_use", () => D.form.useInfotext("txt2img", selected().infotext));
  D.onClick("txt2img_copy", () => D.copy(selected().infotext));
  // On a phone Generate is under the thumb wherever the page stands; what it makes is looked for, not waited for unseen.
  function bringIntoView() {
    if (matchMedia("(max-width: 720px)").matches) root().scrollIntoView({ block: "nearest" });
  }

  D.results = {
    draw, selected, bringIntoView,
    problem(what) { problem = what; draw(); },
    forgetProblem() { problem = null; },
  };
})();
