// The frame of the page: start, head, theme switch, tabs, the title of the browser's tab, small messages.
(() => {
  const D = window.darkroom;
  const { t, el, byId, setText } = D;
  // Milliseconds within which a guest who is another one again is taken for a browser without cookies.
  const FORGETFUL = 600000;
  const state = { you: null, worker: null, queue: {}, offlineSince: null, tab: "tab_txt2img" };

  // Messages that were shown; once read they do not come back with the next refresh.
  const told = new Set();

  async function start(boot) {
    D.boot = boot;
    whenDrawn(async () => {
      D.translate();
      D.emit("drawn");
      drawTheme();
      await refresh();
      sayWhoWeBecame();
      D.emit("start");
      watch();
    });
  }

  // Another server, another key or another name: nothing that is shown is ours any more, and the stream is another's.
  // The form is kept by the tab. A browser that keeps no cookies is another guest with each request: then not again.
  function becomeAnother(you) {
    const { id, level } = state.you;
    if (id === you.id && level === you.level) return false;
    const lately = Date.now() - (D.kept.get("became-at", sessionStorage) || 0) < FORGETFUL;
    if (level === "visitor" && you.level === "visitor" && (lately || !navigator.cookieEnabled)) return false;
    D.kept.set("became-at", Date.now(), sessionStorage);
    const word = you.level === "owner" ? "became_owner" : you.level === "user" ? "became_user"
      : level === "owner" ? "became_guest" : "became_stranger";
    D.kept.set("became", t(word, { name: you.name }), sessionStorage);
    location.reload();
    return true;
  }

  function sayWhoWeBecame() {
    const sentence = D.kept.get("became", sessionStorage);
    if (!sentence) return;
    D.kept.set("became", null, sessionStorage);
    notice(sentence, "warn");
  }

  // Gradio calls its load listeners before the last component stands; wait until the results area does.
  function whenDrawn(call) {
    if (byId("txt2img_results")) call();
    else requestAnimationFrame(() => whenDrawn(call));
  }

  // Who we are to the server, how its worker does; also what makes owner's tabs appear.
  async function refresh() {
    let status;
    try {
      status = await D.api("GET", "status");
    } catch (problem) {
      // A name is asked for now: the sign-in page stands where this one does.
      if (problem.status === 401 && state.you) location.reload();
      // It is asked again in any case. That nothing answers, the head says.
      else if (problem.status !== 0) notice(problem.message, "err");
      return;
    }
    const before = state.you?.level;
    if (state.you && becomeAnother(status.you)) return;
    const { you, queue, settings } = status;
    Object.assign(state, { you, queue, settings, worker: summary(status.workers), devices: status.workers.length });
    if (before !== status.you.level) {
      document.documentElement.dataset.level = status.you.level;
      byId("dk_show_tabs")?.click();
    }
    for (const message of (status.messages || []).filter((one) => !told.has(one))) {
      told.add(message);
      notice(message, "warn");
    }
    drawHead();
    D.emit("status", status);
  }

  // What the head says of the workers: of one itself; of several the best state, how many are ready, and a line for each.
  function summary(workers) {
    if (workers.length === 1) return workers[0];
    const states = workers.map((worker) => worker.state);
    const ready = states.filter((state) => state === "ready").length;
    return {
      state: ["ready", "starting", "restarting", "failed"].find((state) => states.includes(state)),
      partly: ready < workers.length,
      device: t("devices", { ready, all: workers.length }),
      detail: workers.map((worker) => [worker.device, t(`worker_${worker.state}`), worker.detail, memory(worker)]
        .filter(Boolean).join(" · ")).join("\n"),
    };
  }

  function memory(worker) {
    if (!worker.total_bytes) return "";
    const [free, total] = [worker.free_bytes, worker.total_bytes].map((bytes) => (bytes / 2 ** 30).toFixed(1));
    return t("memory_free", { free, total });
  }

  // The worker and other people's jobs have no events here: they are asked for often while that matters, else seldom.
  const calm = () => state.worker?.state === "ready" && !state.worker.partly && !state.queue.paused && !D.jobs.active() && !D.jobs.working();
  let wake = null;

  async function watch() {
    await new Promise((done) => {
      wake = calm() ? done : null;
      setTimeout(done, calm() ? 20000 : 2000);
    });
    wake = null;
    if (!document.hidden && !state.offlineSince) await refresh();
    watch();
  }

  function tabs(ids) {
    const shown = state.you?.level === "owner";
    const updates = ids.map(() => ({ __type__: "update", visible: shown }));
    return updates.length === 1 ? updates[0] : updates;
  }

  function opened(id) {
    state.tab = id;
    requestAnimationFrame(() => {
      D.translate();
      byId(`${id}-button`)?.scrollIntoView({ inline: "center", block: "nearest" });
      D.emit("tab", id);
    });
  }

  function setOffline(off) {
    const since = off ? state.offlineSince || new Date() : null;
    if (since === state.offlineSince) return;
    state.offlineSince = since;
    drawHead();
    D.emit("online", !off);
  }

  function drawHead() {
    const node = byId("dk_worker");
    if (!node) return;
    const [word, mood, more] = headWords();
    node.dataset.mood = mood;
    setText(node.querySelector("span"), word);
    setText(node.querySelector("small"), more);
    node.title = state.worker?.detail || "";
  }

  function headWords() {
    const device = state.worker?.device || "";
    if (state.offlineSince) {
      const time = state.offlineSince.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
      return [t("offline"), "warn", t("offline_since", { time })];
    }
    const job = D.jobs.active();
    if (job?.step) return [t("step", job.step), "run", device];
    if (job?.loading) return [D.jobs.loading(job)[0], "run", device];
    const work = !job && D.jobs.working();
    if (work?.progress) return [t("work_share", { words: t(`task_${work.task}`), percent: Math.floor(D.jobs.fraction(work) * 100) }), "run", device];
    const worker = state.worker?.state || "unknown";
    if (worker === "ready" && D.models.none()) return [t("no_model_title"), "warn", device];
    if (worker === "ready" && state.queue.paused) return [t("paused"), "warn", device];
    if (worker === "ready" && job) return [D.jobs.place(job), "ok", device];
    const mood = { ready: state.worker?.partly ? "warn" : "ok", failed: "err" }[worker] || "warn";
    return [t(`worker_${worker}`), mood, device];
  }

  function drawTitle() {
    const job = D.jobs.active() || D.jobs.working();
    const share = job && D.jobs.fraction(job);
    const title = job ? (share === null ? "… Darkroom" : `${Math.floor(share * 100)} % · Darkroom`) : "Darkroom";
    if (document.title !== title) document.title = title;
  }

  function drawTheme() {
    const dark = document.documentElement.classList.contains("dk-dark");
    const button = byId("dk_theme");
    if (!button) return;
    button.title = t(dark ? "to_light" : "to_dark");
    button.setAttribute("aria-label", button.title);
    button.setAttribute("aria-pressed", String(dark));
  }

  function switchTheme() {
    const dark = document.documentElement.classList.contains("dk-dark");
    try { localStorage.setItem("darkroom-theme", dark ? "light" : "dark"); } catch { /* forgets, but switches nothing */ }
    window.darkroomScheme();
    drawTheme();
  }

  // A small message that goes away by itself; for things that need no answer, though it may offer an act.
  function notice(text, mood = "", act = null) {
    let place = byId("dk_notices");
    if (!place) {
      place = el("div", { id: "dk_notices", role: "status", "aria-live": "polite" });
      document.querySelector(".gradio-container").append(place);
    }
    const same = [...place.children].find((child) => child.firstChild.textContent === text);
    if (same && !act) return same;
    same?.remove();
    const node = el("div", { "data-mood": mood }, el("span", {}, text),
      ...(act ? [el("button", { type: "button", class: "dk-act", onclick: () => { node.remove(); act.call(); } }, act.text)] : []),
      el("button", { type: "button", "aria-label": t("close"), onclick: () => node.remove() }, "×"));
    place.append(node);
    // Not under the hand that is about to press it.
    const leave = () => (node.matches(":hover, :focus-within") ? setTimeout(leave, 2000) : node.remove());
    if (mood !== "warn") setTimeout(leave, act ? 10000 : 5000);
    return node;
  }

  D.on("jobs", () => {
    drawHead();
    drawTitle();
    if (!calm()) wake?.();
  });
  D.on("models", drawHead);
  D.onClick("dk_theme", switchTheme);
  D.start = start;
  D.shell = { state, refresh, tabs, opened, setOffline, notice };
})();
