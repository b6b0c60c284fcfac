// Our own jobs as the page knows them: fed by the list at the start and by the event stream afterwards.
(() => {
  const D = window.darkroom;
  const { t } = D;
  // Parts of the time left: how near two estimates must be, and how far a new one moves the old.
  const AGREES = 0.25;
  const FOLLOWS = 0.3;
  // Jobs of each workplace that are kept.
  const KEPT = 60;
  const jobs = new Map();
  let shown = null;

  // A work on models makes no pictures: it is no part of what is shown of those.
  const isWork = (job) => !("prompt" in (job.request || { prompt: "" }));

  const ended = (job) => ["done", "failed", "cancelled"].includes(job.state);

  // The job that the page follows: ours that runs, else ours that waits longest.
  const active = () => firstOf((job) => !isWork(job));

  // The same of works on models.
  const working = () => firstOf(isWork);

  function firstOf(wanted) {
    let first = null;
    for (const job of jobs.values()) {
      if (ended(job) || !wanted(job)) continue;
      const before = first && (first.state === "running") === (job.state === "running") ? job.created < first.created : job.state === "running";
      if (!first || before) first = job;
    }
    return first;
  }

  // The job whose pictures the results area shows: the active one, else the one that ended last.
  function current() {
    return active() || (shown && jobs.get(shown)) || null;
  }

  // Pictures are many and works few: each have a list of their own, so that neither pushes the others out of it.
  async function load() {
    const answers = await Promise.all(["device", "workshop"].map((place) =>
      D.api("GET", `jobs?limit=20&workplace=${place}`).catch(() => null)));
    if (!answers.some(Boolean)) return;
    for (const answer of answers) for (const json of (answer?.jobs || []).reverse()) adopt(json);
    D.emit("jobs");
  }

  // heard: the stream has told of this job while the page did not know it. That a job has ended is told once, whether
  // the stream or an answer says so first.
  function adopt(json, heard = false) {
    const before = jobs.get(json.id);
    const known = before || { pictures: [], notes: [] };
    // An answer may be older than an event that has overtaken it: a job never goes back from its end.
    const late = known.state && ended(known) && !ended(json);
    const notes = [...new Set([...known.notes, ...(json.notes || [])])];
    const job = { ...known, ...(late ? {} : json), notes, pictures: merge(known.pictures, json.pictures || []) };
    jobs.set(json.id, job);
    if (ended(job)) show(job);
    trim(isWork(job));
    if (ended(job) && (before ? !ended(before) : heard)) D.emit("ended", job);
    return job;
  }

  function merge(old, fresh) {
    const all = new Map([...old, ...fresh].map((picture) => [picture.index, picture]));
    return [...all.values()].sort((one, other) => one.index - other.index);
  }

  function show(job) {
    const before = shown && jobs.get(shown);
    if (isWork(job)) return;
    if (!job.pictures.length && job.state === "cancelled") return;
    if (!before || (before.ended || 0) <= (job.ended || Infinity)) shown = job.id;
  }

  function trim(works) {
    const kind = [...jobs.values()].filter((job) => isWork(job) === works);
    const spare = kind.filter((job) => ended(job) && job.id !== shown);
    for (const job of spare.slice(0, Math.max(0, kind.length - KEPT))) jobs.delete(job.id);
  }

  async function take(name, data) {
    if (data.mine === false) return;
    const job = jobs.get(data.job);
    if (!job) {
      // Somebody else's hand, but our job: sent from another tab, the API or the command line.
      if (["step", "progress", "preview"].includes(name)) return;
      const json = await D.api("GET", `jobs/${data.job}`).catch(() => null);
      if (json) { adopt(json, true); D.emit("jobs"); }
      return;
    }
    if (ended(job) && name !== "image") return;
    TAKES[name](job, data);
    if (ended(job)) {
      show(job);
      D.emit("ended", job);
      refresh(job.id);
    }
    D.emit(name === "preview" ? "preview" : "jobs", job);
  }

  // Events are short; file names and exact times come with the whole job.
  async function refresh(id) {
    const json = await D.api("GET", `jobs/${id}`).catch(() => null);
    if (!json) return;
    adopt(json);
    D.emit("jobs");
  }

  const TAKES = {
    queued(job, data) {
      Object.assign(job, { state: "queued", position: data.position, reason: data.reason, step: null, progress: null, loading: null, due: null, believed: false });
    },
    loading(job, data) {
      Object.assign(job, { state: "running", loading: data.what, started: job.started || Date.now() / 1000 });
    },
    step(job, data) {
      Object.assign(job, { state: "running", loading: null, step: data, started: job.started || Date.now() / 1000 });
      expect(job, data.seconds_left);
    },
    progress(job, data) {
      Object.assign(job, { state: "running", loading: null, progress: data, started: job.started || Date.now() / 1000 });
      expect(job, data.seconds_left);
    },
    preview(job, data) {
      job.preview = data.version;
    },
    note(job, data) {
      if (!job.notes.includes(data.text)) job.notes.push(data.text);
    },
    image(job, data) {
      job.pictures = merge(job.pictures, [{ ...data, job_id: job.id }]);
    },
    finished(job, data) {
      Object.assign(job, { state: "done", interrupted: data.interrupted, timings: data.timings, result: data.result, ended: Date.now() / 1000 });
    },
    failed(job, data) {
      Object.assign(job, { state: "failed", problem: data.problem, ended: Date.now() / 1000 });
    },
    cancelled(job) {
      Object.assign(job, { state: "cancelled", ended: Date.now() / 1000 });
    },
  };

  // Share of the job that is done, 0 to 1, or null before anything is.
  function fraction(job) {
    const step = job.step;
    if (job.progress) return Math.min(1, job.progress.fraction);
    if (!step) return null;
    return Math.min(1, ((step.batch - 1) * step.steps + step.step) / (step.batches * step.steps));
  }

  // A bar at a share of 0 to 1. It glides from step to step, but not behind those that come quickly, nor backwards, nor
  // out of the movement that says that nothing is known yet.
  function bar(node, share) {
    const fill = node.firstElementChild;
    const width = `${Math.round(share * 1000) / 10}%`;
    const now = performance.now();
    if (fill.style.width !== width) {
      const back = parseFloat(width) < parseFloat(fill.style.width);
      fill.toggleAttribute("data-at-once", back || !(now - node.told > 500) || node.hasAttribute("data-moving"));
      node.told = now;
      fill.style.width = width;
    }
    node.setAttribute("aria-valuenow", String(Math.round(share * 100)));
  }

  // When the job will be done. The first steps of a job tell little, so an estimate is believed once the next agrees
  // with it; from then on each new one moves it a part of the way, so that the time left does not jump.
  function expect(job, seconds) {
    if (seconds === null || seconds === undefined) return;
    const due = Date.now() / 1000 + seconds;
    const off = job.due ? due - job.due : null;
    if (!job.believed && off !== null) job.believed = Math.abs(off) <= Math.max(1, seconds * AGREES);
    job.due = job.believed ? job.due + off * FOLLOWS : due;
  }

  // Seconds left, or null while there is no estimate that can be believed.
  function left(job) {
    return (job.step || job.progress) && job.due && job.believed ? Math.max(1, job.due - Date.now() / 1000) : null;
  }

  // What is being waited for before the first step: a heading, and what more there is to say.
  function loading(job) {
    const [first, ...rest] = (job.loading || t("starting")).split(/\.\s+/);
    return [first.replace(/\.$/, ""), rest.join(". ")];
  }

  const place = (job) => (job.position > 0 ? t("position", { place: D.ordinal(job.position + 1) }) : t("position_next"));

  // The same inside a sentence.
  const where = (job) => (job.position > 0 ? place(job) : t("queued_next"));

  const waiting = () => [...jobs.values()].filter((job) => job.state === "queued").length;

  // Other jobs that run at this moment, whoever they belong to: they share the worker, and each slows the others.
  // Which of several workers a job runs on is not told, so there nothing can be said.
  function beside(job) {
    if (D.shell.state.devices > 1) return 0;
    const own = [...jobs.values()].filter((one) => one.state === "running");
    const works = own.filter(isWork).length;
    return job.state === "running" ? Math.max(own.length, D.shell.state.queue.running || 0) - works - 1 : 0;
  }

  const file = (picture) => D.address(`pictures/${encodeURIComponent(picture.id)}/file`);
  const thumb = (picture, side) => D.address(`pictures/${encodeURIComponent(picture.id)}/thumb?side=${side}`);
  const preview = (job) => D.address(`jobs/${encodeURIComponent(job.id)}/preview?v=${job.preview}`);

  // A picture went into the bin. The results show the newest job that still has one.
  function forget(pictureId) {
    for (const job of jobs.values()) job.pictures = job.pictures.filter((picture) => picture.id !== pictureId);
    if (shown && !jobs.get(shown)?.pictures.length) {
      const left = [...jobs.values()].filter((job) => ended(job) && job.pictures.length);
      left.sort((one, other) => (other.ended || 0) - (one.ended || 0));
      if (left.length) shown = left[0].id;
    }
    D.emit("jobs");
  }

  // It is out of the bin again.
  function remember(picture) {
    const job = jobs.get(picture.job_id);
    if (!job) return;
    job.pictures = merge(job.pictures, [picture]);
    show(job);
    D.emit("jobs");
  }

  D.bar = bar;
  D.on("drawn", load);
  D.jobs = { all: jobs, isWork, active, working, current, ended, load, adopt, take, fraction, left, loading, place, where, waiting, beside, file, thumb, preview, forget, remember };
})();
