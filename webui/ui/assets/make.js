// Generate and the three verbs. Generate only submits: the job lives on the server, and the stream tells of it.
(() => {
  const D = window.darkroom;
  const { t, byId, setText } = D;
  let forever = false;
  let sending = 0;
  let unsent = null;

  async function generate(task, values) {
    forget();
    // What means nothing to the model is hidden, and not asked of it, no more than what is switched off.
    const unasked = [...D.models.unknown(), ...D.extra.unasked(), ...D.hires.unasked(values)];
    const all = { ...values, ...D.overrides.request() };
    const known = Object.fromEntries(Object.entries(all).filter(([name]) => !unasked.includes(name)));
    if (D.problems.any({ ...known, ...D.panels.asked() })) { setForever(false); return; }
    sending += 1;
    D.emit("jobs");
    const before = ids();
    const request = { ...known, ...D.modules.request(), extensions: D.panels.request(), seed: values.seed ?? -1, checkpoint: values.checkpoint || D.models.chosen() };
    try {
      const another = D.jobs.active() !== null;
      const job = D.jobs.adopt(await D.api("POST", D.scripts.path(), request));
      if (another) D.shell.notice(t("queued_said", { place: D.jobs.where(job) }));
      D.stream.adapt();
      D.results.bringIntoView();
    } catch (problem) {
      setForever(false);
      refused(problem, request, before, () => byId("txt2img_generate").click());
    } finally {
      sending -= 1;
      D.emit("jobs");
    }
  }

  async function again(job) {
    forget();
    const request = D.scripts.requestOf(job);
    const before = ids();
    try {
      D.jobs.adopt(await D.api("POST", D.scripts.pathOf(job), request));
      D.emit("jobs");
    } catch (problem) {
      refused(problem, request, before, () => again(job));
    }
  }

  function forget() {
    D.results.forgetProblem();
    unsent?.note.remove();
    unsent = null;
  }

  const ids = () => new Set(D.jobs.all.keys());

  // Why a job was not taken. That nothing answered is said beside what is shown, which goes on, until it is sent.
  // before: the jobs that were there when it was sent; the stream may have told of this one before its answer was lost.
  function refused(problem, request, before, send) {
    if (problem.type !== "unreachable") { D.problems.report(problem, send); return; }
    unsent = { request, send, before, note: D.shell.notice(t("not_sent"), "warn") };
    if (hasArrived(unsent)) forget();
  }

  function hasArrived({ request, before }) {
    return [...D.jobs.all.values()].some((job) => !before.has(job.id) && job.request.prompt === request.prompt);
  }

  // What was not sent can be once the server is back. It may be the answer alone that was lost: then the job is there.
  async function tell(online) {
    if (!unsent) return;
    const mine = unsent;
    if (online) await D.jobs.load();
    if (mine !== unsent) return;
    if (hasArrived(mine) || !mine.note.isConnected) { forget(); return; }
    mine.note.remove();
    const act = { text: t(D.jobs.active() ? "queue_another" : "generate"), call: mine.send };
    mine.note = online ? D.shell.notice(t("not_sent_yet"), "warn", act) : D.shell.notice(t("not_sent"), "warn");
  }

  async function act(method, path) {
    try {
      await D.api(method, path);
    } catch (problem) {
      // The job ended between the look and the press: the list knows better.
      if (problem.status === 409 || problem.status === 404) await D.jobs.load();
      else D.shell.notice(problem.message, "err");
    }
  }

  function interrupt() {
    const job = D.jobs.active();
    if (!job) return;
    setForever(false);
    if (job.state === "queued") { act("DELETE", `jobs/${job.id}`); return; }
    job.interrupting = true;
    D.emit("jobs");
    act("POST", `jobs/${job.id}/interrupt`);
  }

  function skip() {
    const job = D.jobs.active();
    if (job && job.state === "running") act("POST", `jobs/${job.id}/skip`);
  }

  function setForever(on) {
    forever = on;
    byId("txt2img_generate_forever")?.setAttribute("aria-pressed", String(on));
  }

  function toggleForever() {
    setForever(!forever);
    if (forever && !D.jobs.active()) byId("txt2img_generate")?.click();
  }

  // The faces of the box: which buttons, and what they say.
  function draw() {
    const box = byId("txt2img_generate_box");
    if (!box) return;
    const job = D.jobs.active();
    const state = job ? (job.state === "queued" ? "waiting" : "running") : sending ? "sending" : "idle";
    if (box.dataset.state !== state) box.dataset.state = state;
    document.documentElement.dataset.making = state;
    const verb = state === "waiting" ? "leave_queue" : job?.interrupting ? "stop_now" : "interrupt";
    setText(byId("txt2img_interrupt"), t(verb));
    setText(byId("txt2img_generate"), t(job ? "queue_another" : "generate"));
    const button = byId("txt2img_generate_forever");
    if (button && !button.hasAttribute("aria-pressed")) setForever(forever);
  }

  D.on("jobs", draw);
  D.on("drawn", draw);
  D.on("online", tell);
  D.on("ended", (job) => {
    if (D.jobs.isWork(job)) return;
    if (job.state !== "done") setForever(false);
    else if (forever && !D.jobs.active()) byId("txt2img_generate")?.click();
  });
  D.onClick("txt2img_interrupt", interrupt);
  D.onClick("txt2img_skip", skip);
  D.onClick("txt2img_generate_forever", toggleForever);
  document.addEventListener("contextmenu", (event) => {
    // A1111 hides this behind a right click on Generate; here too, besides its own button.
    if (!event.target.closest?.("#txt2img_generate")) return;
    event.preventDefault();
    toggleForever();
  });
  D.make = { generate, again, interrupt, skip, act };
})();
