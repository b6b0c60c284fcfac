// What is in the workers' memory, under the state in the page's head: the owner looks, and gives the memory back.
(() => {
  const D = window.darkroom;
  const { t, el, byId } = D;
  const LOOK = 3000;
  const GAP = 6;
  const EDGE = 16;
  let panel = null;
  let list = null;
  let unload = null;
  let workers = [];
  const open = () => Boolean(panel?.matches(":popover-open"));
  const size = (bytes) => (bytes < 2 ** 30 ? t("mebibytes", { n: Math.max(1, Math.round(bytes / 2 ** 20)) }) : t("gibibytes", { n: (bytes / 2 ** 30).toFixed(1) }));

  function build() {
    const opener = byId("dk_memory_open");
    if (!opener || panel) return;
    list = el("div", { class: "dk-memory-list" });
    unload = el("button", { type: "button", class: "dk-button", title: t("unload_title"), onclick: drop }, t("unload"));
    panel = el("div", { id: "dk_memory", popover: "auto", role: "dialog", "aria-label": t("memory") }, list, unload);
    document.querySelector(".gradio-container").append(panel);
    opener.popoverTargetElement = panel;
    panel.addEventListener("toggle", () => { if (open()) { place(opener); draw(); D.shell.refresh(); } });
    window.addEventListener("resize", () => { if (open()) place(opener); });
  }

  // Under its opener, and within the window on a phone.
  function place(opener) {
    const { bottom, right } = opener.getBoundingClientRect();
    const width = document.documentElement.clientWidth;
    panel.style.top = `${bottom + GAP}px`;
    panel.style.right = `${Math.max(EDGE, Math.min(width - right, width - panel.offsetWidth - EDGE))}px`;
  }

  function draw() {
    if (!open()) return;
    list.replaceChildren(...workers.map(section));
    const models = workers.flatMap((worker) => worker.models);
    unload.disabled = !models.some((model) => !model.in_use);
  }

  function section(worker) {
    const state = worker.state === "ready" ? null : t(`worker_${worker.state}`);
    const used = worker.total_bytes ? 1 - worker.free_bytes / worker.total_bytes : null;
    const room = used === null ? [] : [
      el("p", { class: "dk-second" }, t("memory_free", { free: gib(worker.free_bytes), total: gib(worker.total_bytes) })),
      el("div", { class: "dk-room", "aria-hidden": "true" }, fill(used)),
    ];
    const load = worker.last_load;
    return el("section", {},
      el("h2", {}, [worker.device, state].filter(Boolean).join(" · ")),
      ...room,
      worker.models.length ? el("ul", {}, ...worker.models.map(row)) : el("p", { class: "dk-none" }, t("none_loaded")),
      load && el("p", { class: "dk-second" }, t(load.swap ? "last_swap" : "last_load", { name: load.name, time: D.duration(load.seconds) })));
  }

  const gib = (bytes) => (bytes / 2 ** 30).toFixed(1);

  function fill(share) {
    const node = el("i");
    node.style.width = `${Math.round(share * 100)}%`;
    return node;
  }

  const row = (model) => el("li", {}, el("span", {}, model.name),
    el("small", {}, model.in_use ? t("size_in_use", { size: size(model.size_bytes) }) : size(model.size_bytes)));

  async function drop() {
    unload.disabled = true;
    try {
      const answer = await D.api("POST", "workers/unload");
      const names = (key) => [...new Set(answer.workers.flatMap((worker) => worker[key]))].join(", ");
      const [gone, kept] = [names("unloaded"), names("in_use")];
      const said = [gone && t("unloaded", { names: gone }), kept && t("stays_in_use", { names: kept })].filter(Boolean).join(" ");
      D.shell.notice(said || t("none_loaded"));
    } catch (problem) {
      D.shell.notice(problem.message, "err");
    }
    await D.shell.refresh();
    // What had the focus may be switched off now.
    if (open() && !panel.contains(document.activeElement)) byId("dk_memory_open").focus();
    draw();
  }

  D.on("drawn", build);
  D.on("status", (status) => {
    workers = status.workers;
    if (status.you.level !== "owner" && open()) panel.hidePopover();
    draw();
  });
  setInterval(() => { if (open() && !document.hidden) D.shell.refresh(); }, LOOK);
})();
