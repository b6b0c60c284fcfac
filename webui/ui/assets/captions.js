// A picture put into words: asked for as a job, written into the prompt when it comes, with a way back.
(() => {
  const D = window.darkroom;
  const { t } = D;
  const TASK = "txt2img";
  const isCaption = (job) => job.task === "caption";
  // Jobs that this page asked for, by their ids: what of, and the notice that says so.
  const asked = new Map();
  const asking = new Set();

  // of: what is asked for once at a time.
  async function ask(of, path, body) {
    if (asking.has(of)) return;
    asking.add(of);
    try {
      const job = D.jobs.adopt(await D.api("POST", path, body));
      asked.set(job.id, { of, said: D.shell.notice(t("caption_asked", { name: job.summary })) });
      D.stream.adapt();
      D.emit("jobs");
    } catch (problem) {
      asking.delete(of);
      refuse(problem);
    }
  }

  // What to get, and where to put it, is more than is read in passing: it stays.
  function refuse({ detail, title, remedies = [] }) {
    D.shell.notice([detail || title, ...remedies.map((way) => `${way}.`)].join(" "), "warn");
  }

  // Its end may be known before the answer that names it: so it is looked for, whatever is heard.
  function come() {
    for (const [id, { of, said }] of [...asked]) {
      const job = D.jobs.all.get(id);
      if (!job || !D.jobs.ended(job)) continue;
      asked.delete(id);
      asking.delete(of);
      said.remove();
      if (job.state === "done") use(job);
      if (job.state === "failed") refuse(job.problem);
    }
  }

  function use(job) {
    const { prompt } = D.form.valuesOf(TASK);
    const { text } = job.result;
    D.form.fill(TASK, { prompt: text });
    D.shell.notice(t("caption_used", { text: text.length > 200 ? `${text.slice(0, 200)}…` : text }), "",
      { text: t("undo"), call: () => D.form.fill(TASK, { prompt }) });
  }

  // What can be done in the queue to a job of this kind, each as a word and a call; null where others say it.
  function acts(job) {
    if (!isCaption(job) || !D.jobs.ended(job)) return null;
    return job.state === "done" && job.mine !== false ? [["caption_use", () => use(job)]] : [];
  }

  D.on("jobs", come);
  D.captions = {
    acts, isCaption,
    ofPicture: (picture) => ask(picture.id, `pictures/${encodeURIComponent(picture.id)}/caption`),
    ofFile: (file) => ask(file, "pictures/caption", file),
  };
})();
