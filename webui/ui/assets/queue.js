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
    const focused = list.contains(document.activeElement) && document.activeElement;
    wanted.forEach((node, index) => { if (list.children[index] !== node) list.insertBefore(node, list.children[index] || null); });
    // A row that moves takes the focus along.
    if (focused && focused !== document.activeElement) focused.focus();
    while (list.children.length > wanted.length) { rows.delete(list.lastChild.dataset.id); list.lastChild.remove(); }
    byId("queue_empty").replaceChildren(...(jobs.length ? [] : [el("h2", {}, t("queue_empty_title")), el("p", {}, t("queue_empty"))]));
    summary(jobs);
  }

  function summary(jobs) {
    const left = line.paused ? null : whole(jobs.filter((job) => !D.jobs.ended(job)));
    const parts = [
      line.running ? count("queue_running", line.running, "running") : t("queue_idle"),
      line.waiting ? count("queue_waiting", line.waiting, "queued") : null,
      left ? t("left", { time: t("about_left", { time: D.duration(left) }) }) : null,
    ];
    setText(byId("queue_summary"), parts.filter(Boolean).join(" · "));
    const owner = D.shell.state.you?.level === "owner";
    const pause = byId("queue_pause");
    pause.hidden = !owner;
    pause.dataset.t = line.paused ? "resume" : "pause";
    D.toggle(pause, "data-primary", line.paused);
    setText(pause, t(pause.dataset.t));
    setText(byId("queue_paused"), !line.paused ? "" : t(owner ? "queue_paused" : "queue_paused_guest"));
    byId("queue_clear").disabled = !jobs.some((job) => job.state === "queued");
  }

  // The numbers are everybody's, a guest's rows only their own: what has no row is said to be others'.
  function count(key, n, state) {
    const said = t(key, { n });
    const others = D.shell.state.you?.level === "owner" ? 0 : n - line.jobs.filter((job) => job.state === state).length;
    if (others <= 0) return said;
    return others === n ? t("for_others", { said }) : t("some_for_others", { said, n: others });
  }

  // Own waiting jobs, on the tab itself.
  function drawTab() {
    const button = byId("tab_queue-button");
    const n = D.jobs.waiting();
    if (button && n) button.dataset.count = n;
    else if (button) delete button.dataset.count;
  }

  // Seconds until the whole line is done, roughly, at the pace of what runs; null unless all of it is known well enough.
  function whole(jobs) {
    if (jobs.length !== line.running + line.waiting) return null;
    const work = ({ request }) => (request.width * request.height * request.steps + D.hires.work(request)) * request.batch_size * request.n_iter;
    const rest = (job) => work(job) * (1 - (D.jobs.fraction(job) ?? 0));
    const running = jobs.filter((job) => job.state === "running");
    const pace = running.reduce((sum, job) => sum + rest(job) / (D.jobs.left(job) ?? NaN), 0);
    const seconds = jobs.reduce((sum, job) => sum + rest(job), 0) / pace;
    const grain = seconds < 20 ? 5 : 10;
    return Number.isFinite(seconds) && seconds > 0 ? Math.ceil(seconds / grain) * grain : null;
  }

  function row(job) {
    const known = rows.get(job.id) || build(job);
    rows.set(job.id, known);
    known.job = job;
    const [word, mood] = stateWords(job);
    known.node.dataset.state = job.state;
    known.state.dataset.mood = mood;
    setText(known.state.firstElementChild, word);
    const why = D.jobs.ended(job) ? "" : job.reason || "";
    setText(known.why, why);
    known.why.hidden = !why;
    const share = job.state === "running" ? D.jobs.fraction(job) ?? 0 : null;
    known.bar.hidden = share === null;
    if (share !== null) D.bar(known.bar, share);
    thumb(known, job);
    acts(known, job);
    return known.node;
  }

  function build(job) {
    const { request } = job;
    const n = request.n_iter * request.batch_size;
    const title = titleOf(job);
    const who = job.mine === false ? t("visitor", { id: job.owner.replace(/^(visitor|user)-/, "").slice(0, 4) }) : t("you");
    const facts = D.jobs.isWork(job) ? [t(`task_${job.task}`), who]
      : [job.task, D.size(request.width, request.height), t("steps_n", { n: request.steps }), n === 1 ? t("one_picture") : t("many_pictures", { n }), who];
    const image = el("div", { class: "dk-thumb", "data-work": D.jobs.isWork(job) });
    const bar = el("div", { class: "dk-bar", role: "progressbar", "aria-label": title.slice(0, 80), "aria-valuemin": "0", "aria-valuemax": "100" }, el("i"));
    const why = el("small", { class: "dk-why" });
    const state = el("div", { class: "dk-state" }, el("span"), why, bar);
    const buttons = el("div", { class: "dk-row-acts" });
    const node = el("div", { role: "listitem", "data-id": job.id, class: "dk-row" }, image,
      el("div", { class: "dk-what" }, el("p", {}, title), el("p", { class: "dk-second" }, facts.join(" · "))),
      state, buttons);
    return { node, image, state, why, bar, buttons };
  }

  const titleOf = (job) => (job.summary ?? job.request.prompt ?? "").trim() || t("no_prompt");

  function stateWords(job) {
    if (job.state === "queued") return [job.position > 0 ? D.ordinal(job.position + 1) : t("place_next"), ""];
    if (job.state === "running") {
      const left = D.jobs.left(job);
      const { words, fraction } = job.progress || {};
      if (job.interrupting && D.jobs.isWork(job)) return [t("work_stopping"), "warn"];
      if (job.progress) return [[t("work_share", { words, percent: Math.floor(fraction * 100) }), left === null ? null : t("left", { time: D.duration(left) })].filter(Boolean).join(" · "), "run"];
      const step = job.step && [t("step", job.step), left === null ? null : t("left", { time: D.duration(left) })];
      return [step ? step.filter(Boolean).join(" · ") : D.jobs.loading(job)[0], "run"];
    }
    if (job.state === "failed") return [`${job.problem.title}. ${job.problem.detail}`, "err"];
    if (job.state === "cancelled") return [t(D.jobs.isWork(job) && job.started ? "work_stopped" : "cancelled"), ""];
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
    const key = `${ended && job.state} ${front} ${Boolean(job.interrupting)}`;
    if (known.acts === key) return;
    known.acts = key;
    const what = titleOf(job).slice(0, 60);
    const button = (word, press) => el("button", { type: "button", class: "dk-act", onclick: press, "aria-label": `${t(word)}: ${what}` }, t(word));
    const made = [];
    if (front) made.push(button("to_front", () => act("POST", `jobs/${job.id}/front`, () => t("moved", { what }))));
    if (D.jobs.isWork(job)) made.push(...D.works.acts(job).map(([word, press]) => button(word, press)));
    else if (ended) made.push(button("run_again", () => again(known.job)));
    else made.push(button("cancel", () => act("DELETE", `jobs/${job.id}`, () => t("cancelled_said", { what }))));
    const focused = known.buttons.contains(document.activeElement);
    known.buttons.replaceChildren(...made);
    if (focused) made[0]?.focus();
  }

  // Do it, and say that it is done or why it is not; `said` makes the sentence from the answer.
  async function act(method, path, said, body) {
    try {
      const answer = await D.api(method, path, body);
      D.shell.notice(said(answer));
      return answer;
    } catch (problem) {
      D.shell.notice(problem.message, "err");
      return null;
    } finally {
      await load();
    }
  }

  async function again(job) {
    const { schema, target, ...rest } = job.request;
    const request = D.jobs.isWork(job) ? rest : D.scripts.requestOf(job);
    const json = await act("POST", D.jobs.isWork(job) ? `models/works/${job.task}` : D.scripts.pathOf(job), () => t("queued_again"), request);
    if (!json) return;
    D.jobs.adopt(json);
    D.emit("jobs");
  }

  D.queue = { stateWords, again };
  const soon = D.later(load, 300);
  D.on("tab", (id) => { if (id === "tab_queue") load(); });
  D.on("jobs", (job) => { if (open()) { draw(); if (!job?.step || D.jobs.ended(job)) soon(); } });
  D.on("preview", () => { if (open()) draw(); });
  D.on("status", draw);
  for (const signal of ["jobs", "status"]) D.on(signal, drawTab);
  setInterval(() => { if (open() && !document.hidden) load(); }, 3000);
  D.onClick("queue_pause", () => line.paused
    ? act("POST", "queue/resume", () => t("resumed"))
    : act("POST", "queue/pause", () => t("queue_paused")));
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
    act("POST", "queue/clear", ({ cancelled }) => t(cancelled === 1 ? "cleared_one" : "cleared_many", { n: cancelled }));
  });
})();
