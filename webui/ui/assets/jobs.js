// Our own jobs as the page knows them: fed by the list at the start and by the event stream afterwards.
(() => {
  const D = window.darkroom;
  const jobs = new Map();
  let shown = null;

  const ended = (job) => ["done", "failed", "cancelled"].includes(job.state);

  // The job that the page follows: ours that runs, else ours that waits longest.
  function active() {
    let first = null;
    for (const job of jobs.values()) {
      if (ended(job)) continue;
      const before = first && (first.state === "running") === (job.state === "running") ? job.created < first.created : job.state === "running";
      if (!first || before) first = job;
    }
    return first;
  }

  // The job whose pictures the results area shows: the active one, else the one that ended last.
  function current() {
    return active() || (shown && jobs.get(shown)) || null;
  }

  async function load() {
    const answer = await D.api("GET", "jobs?limit=20").catch(() => null);
    if (!answer) return;
    for (const json of (answer.jobs || answer).reverse()) adopt(json);
    D.emit("jobs");
  }

  function adopt(json) {
    const known = jobs.get(json.id) || { pictures: [], notes: [] };
    // An answer may be older than an event that has overtaken it: a job never goes back from its end.
    const late = known.state && ended(known) && !ended(json);
    const job = { ...known, ...(late ? {} : json), pictures: merge(known.pictures, json.pictures || []) };
    jobs.set(json.id, job);
    if (ended(job)) show(job);
    trim();
    return job;
  }

  function merge(old, fresh) {
    const all = new Map([...old, ...fresh].map((picture) => [picture.index, picture]));
    return [...all.values()].sort((one, other) => one.index - other.index);
  }

  function show(job) {
    const before = shown && jobs.get(shown);
    if (!job.pictures.length && job.state === "cancelled") return;
    if (!before || (before.ended || 0) <= (job.ended || Infinity)) shown = job.id;
  }

  function trim() {
    for (const [id, job] of jobs) {
      if (jobs.size <= 60) return;
      if (ended(job) && id !== shown) jobs.delete(id);
    }
  }

  async function take(name, data) {
    if (data.mine === false) return;
    const job = jobs.get(data.job);
    if (!job) {
      // Somebody else's hand, but our job: sent from another tab, the API or the command line.
      if (name === "step" || name === "preview") return;
      const json = await D.api("GET", `jobs/${data.job}`).catch(() => null);
      if (json) { adopt(json); D.emit("jobs"); }
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
      Object.assign(job, { state: "queued", position: data.position, reason: data.reason, step: null, loading: null });
    },
    loading(job, data) {
      Object.assign(job, { state: "running", loading: data.what, started: job.started || Date.now() / 1000 });
    },
    step(job, data) {
      Object.assign(job, { state: "running", loading: null, step: data, stepAt: Date.now(), started: job.started || Date.now() / 1000 });
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
      Object.assign(job, { state: "done", interrupted: data.interrupted, timings: data.timings, ended: Date.now() / 1000 });
    },
    failed(job, data) {
      Object.assign(job, { state: "failed", problem: data.problem, ended: Date.now() / 1000 });
    },
    cancelled(job) {
      Object.assign(job, { state: "cancelled", ended: Date.now() / 1000 });
    },
  };

  // Share of the job's steps that are done, 0 to 1, or null before the first.
  function fraction(job) {
    const step = job.step;
    if (!step) return null;
    return Math.min(1, ((step.batch - 1) * step.steps + step.step) / (step.batches * step.steps));
  }

  // Seconds left by the last step's estimate, counted down since.
  function left(job) {
    const seconds = job.step?.seconds_left;
    if (seconds === null || seconds === undefined) return null;
    return Math.max(0, seconds - (Date.now() - job.stepAt) / 1000);
  }

  const file = (picture) => D.address(`pictures/${encodeURIComponent(picture.id)}/file`);
  const thumb = (picture, side) => D.address(`pictures/${encodeURIComponent(picture.id)}/thumb?side=${side}`);
  const preview = (job) => D.address(`jobs/${encodeURIComponent(job.id)}/preview?v=${job.preview}`);

  function forget(pictureId) {
    for (const job of jobs.values()) job.pictures = job.pictures.filter((picture) => picture.id !== pictureId);
    D.emit("jobs");
  }

  D.on("drawn", load);
  D.jobs = { all: jobs, active, current, ended, load, refresh, adopt, take, fraction, left, file, thumb, preview, forget };
})();
