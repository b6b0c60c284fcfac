// The Queue tab: everybody's line for the owner, their own for the others, and what has ended; rows are kept by job.
(() => {
  const D = window.darkroom;
  const { t, el, byId, setText } = D;
  const rows = new Map();
  let line = { running: 0, waiting: 0, paused: false, jobs: [] };
  const open = () => D.shell.state.tab === "tab_queue" && byId("queue_list");

  async function load() {
    if (!open()) return;
    const answer = await D.api("GET", "queue").catch(() => null);
    if (!answer) return;
    line = answer;
    D.shell.state.queue = { running: line.running, waiting: line.waiting, paused: line.paused };
    draw();
  }

  // What is running first, then the waiting in their order, then own jobs that have ended, newest first.
  function listed() {
    const live = (line.jobs || []).map((json) => (D.jobs.all.has(json.id) ? { ...D.jobs.all.get(json.id), position: json.position, mine: true } : json));
    const active = live.filter((job) => !D.jobs.ended(job));
    active.sort((one, other) => (other.state === "running") - (one.state === "running") || (one.position ?? 0) - (other.position ?? 0));
    const past = [...D.jobs.all.values()].filter(D.jobs.ended).sort((one, other) => (other.ended || 0) - (one.ended || 0)).slice(0, 20);
    return [...active, ...past];
  }

  function draw() {
    if (!open()) return;
    const jobs = listed();
    const list = byId("queue_list");
    const wanted = jobs.map((job) => row(job));
    wanted.forEach((node, index) => { if (list.children[index] !== node) list.insertBefore(node, list.children[index] || null); });
    while (list.children.length > wanted.length) { rows.delete(list.lastChild.dataset.id); list.lastChild.remove(); }
    byId("queue_empty").replaceChildren(...(jobs.length ? [] : [el("h2", {}, t("queue_empty_title")), el("p", {}, t("queue_empty"))]));
    summary(jobs);
  }

  function summary(jobs) {
    const left = jobs.reduce((most, job) => Math.max(most, job.state === "running" ? D.jobs.left(job) ?? 0 : 0), 0);
    const parts = [
      line.running ? t("queue_running", { n: line.running }) : t("queue_idle"),
      line.waiting ? t("queue_waiting", { n: line.waiting }) : null,
      left >= 1 ? t("left", { time: t("about_left", { time: D.duration(left) }) }) : null,
      line.paused ? t("paused") : null,
    ];
    setText(byId("queue_summary"), parts.filter(Boolean).join(" · "));
    const pause = byId("queue_pause");
    pause.hidden = D.shell.state.you?.level !== "owner";
    pause.dataset.t = line.paused ? "resume" : "pause";
    setText(pause, t(pause.dataset.t));
    byId("queue_clear").disabled = !jobs.some((job) => job.state === "queued");
  }

  function row(job) {
    const known = rows.get(job.id) || build(job);
    rows.set(job.id, known);
    known.job = job;
    const [word, mood] = stateWords(job);
    known.node.dataset.state = job.state;
    known.state.dataset.mood = mood;
    setText(known.state.firstElementChild, word);
    const share = job.state === "running" ? D.jobs.fraction(job) ?? 0 : null;
    known.bar.hidden = share === null;
    if (share !== null) {
      known.bar.firstElementChild.style.width = `${Math.round(share * 100)}%`;
      known.bar.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    }
    thumb(known, job);
    acts(known, job);
    return known.node;
  }

  function build(job) {
    const { request } = job;
    const n = request.n_iter * request.batch_size;
    const who = job.mine === false ? t("visitor", { id: job.owner.slice(0, 4) }) : t("you");
    const facts = [job.task, D.size(request.width, request.height), t("steps_n", { n: request.steps }), n === 1 ? t("one_picture") : t("many_pictures", { n }), who];
    const image = el("div", { class: "dk-thumb" });
    const bar = el("div", { class: "dk-bar", role: "progressbar", "aria-label": request.prompt.slice(0, 80) || t("no_prompt"), "aria-valuemin": "0", "aria-valuemax": "100" }, el("i"));
    const state = el("div", { class: "dk-state" }, el("span"), bar);
    const buttons = el("div", { class: "dk-row-acts" });
    const node = el("div", { role: "listitem", "data-id": job.id, class: "dk-row" }, image,
      el("div", { class: "dk-what" }, el("p", {}, request.prompt.trim() || t("no_prompt")), el("p", { class: "dk-second" }, facts.join(" · "))),
      state, buttons);
    return { node, image, state, bar, buttons };
  }

  function stateWords(job) {
    if (job.state === "queued") return [job.position > 0 ? D.ordinal(job.position + 1) : t("place_next"), ""];
    if (job.state === "running") return [job.step ? t("step", job.step) : job.loading ? t("loading", { what: job.loading }) : t("starting"), "run"];
    if (job.state === "failed") return [`${job.problem.title}. ${job.problem.detail}`, "err"];
    if (job.state === "cancelled") return [t("cancelled"), ""];
    if (job.interrupted) return [t("done_stopped", { n: job.pictures.length === 1 ? t("one_picture") : t("many_pictures", { n: job.pictures.length }) }), "warn"];
    const seconds = job.timings?.total ?? (job.started ? job.ended - job.started : null);
    return [t("done_in", { time: D.duration(seconds ?? 0) }), "ok"];
  }

  function thumb(known, job) {
    const picture = (job.pictures || [])[0];
    const address = picture ? D.jobs.thumb(picture, 128) : job.state === "running" && job.preview !== undefined ? D.jobs.preview(job) : "";
    if (known.address === address) return;
    known.address = address;
    if (!address) { known.image.replaceChildren(); return; }
    const image = known.image.firstElementChild || el("img", { alt: "" });
    image.src = address;
    if (!image.parentElement) known.image.append(image);
  }

  // Buttons follow the state; they are made anew only when it changes, so a press is never lost to a redraw.
  function acts(known, job) {
    const ended = D.jobs.ended(job);
    const owner = D.shell.state.you?.level === "owner";
    const front = owner && job.state === "queued" && job.position > 0;
    const key = `${ended} ${front}`;
    if (known.acts === key) return;
    known.acts = key;
    const made = [];
    if (front) made.push(el("button", { type: "button", class: "dk-act", onclick: () => act("POST", `jobs/${job.id}/front`) }, t("to_front")));
    if (ended) made.push(el("button", { type: "button", class: "dk-act", onclick: () => D.make.again(known.job).then(load) }, t("run_again")));
    else made.push(el("button", { type: "button", class: "dk-act", onclick: () => act("DELETE", `jobs/${job.id}`) }, t("cancel")));
    known.buttons.replaceChildren(...made);
  }

  async function act(method, path) {
    await D.make.act(method, path);
    await load();
  }

  const soon = D.later(load, 300);
  D.on("tab", (id) => { if (id === "tab_queue") load(); });
  D.on("jobs", (job) => { if (open()) { draw(); if (!job?.step || D.jobs.ended(job)) soon(); } });
  D.on("preview", () => { if (open()) draw(); });
  D.on("status", draw);
  setInterval(() => { if (open() && !document.hidden) load(); }, 3000);
  D.onClick("queue_pause", () => act("POST", line.paused ? "queue/resume" : "queue/pause"));
  D.onClick("queue_clear", (button) => {
    const n = listed().filter((job) => job.state === "queued").length;
    if (!button.hasAttribute("data-asking")) {
      button.setAttribute("data-asking", "");
      setText(button, t("clear_sure", { n }));
      setTimeout(() => { button.removeAttribute("data-asking"); setText(button, t("clear_waiting")); }, 4000);
      return;
    }
    button.removeAttribute("data-asking");
    setText(button, t("clear_waiting"));
    act("POST", "queue/clear");
  });
})();
