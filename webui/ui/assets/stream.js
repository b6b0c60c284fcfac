// One event stream a page, closed while nobody looks and nothing of ours runs: browsers allow six connections a host.
(() => {
  const D = window.darkroom;
  const NAMES = ["queued", "loading", "step", "progress", "preview", "note", "image", "finished", "failed", "cancelled"];
  let source = null;
  let last = null;
  // Of the lists of models; the first belongs to those that the page has begun with.
  let revision = null;
  // The newest that was told; it is remembered as the revision once its lists are here.
  let told = null;
  let later = 0;
  const AGAIN = 3000;
  let wait = 500;
  let timer = 0;

  function open() {
    if (source || timer) return;
    source = new EventSource(D.address(`events?models=true${last === null ? "" : `&after=${encodeURIComponent(last)}`}`));
    source.onopen = async () => {
      wait = 500;
      const was = D.shell.state.offlineSince;
      D.shell.setOffline(false);
      if (was) await D.shell.refresh();
      // After the stream stands, so that nothing falls between the list and the first event.
      await D.jobs.load();
    };
    source.onerror = again;
    for (const name of NAMES) source.addEventListener(name, (event) => take(name, event));
    source.addEventListener("models", ({ data }) => heard(JSON.parse(data).revision));
  }

  // The browser's own retries give up on some answers, and a broken line may look open for long: ours do neither.
  function again() {
    shut();
    D.shell.setOffline(true);
    if (timer) return;
    timer = setTimeout(async () => {
      timer = 0;
      // A stream does not say why it is refused; the status does.
      await D.shell.refresh();
      adapt();
    }, wait);
    wait = Math.min(wait * 2, 8000);
  }

  function take(name, event) {
    if (event.lastEventId) last = event.lastEventId;
    D.jobs.take(name, JSON.parse(event.data));
  }

  // A stream that was closed for a while begins with it too, so what came meanwhile is not missed.
  async function heard(now) {
    told = now;
    revision ??= now;
    clearTimeout(later);
    if (revision === now) return;
    const renewed = await D.models.renew();
    // One that was told meanwhile asks for itself.
    if (told !== now) return;
    if (renewed) revision = now;
    // A closed stream tells it anew when it opens.
    else if (source) later = setTimeout(heard, AGAIN, now);
  }

  function shut() {
    clearTimeout(later);
    source?.close();
    source = null;
  }

  function adapt() {
    if (!document.hidden || D.jobs.active() || D.jobs.working()) open();
    else shut();
  }

  document.addEventListener("visibilitychange", () => {
    const asleep = !source;
    adapt();
    if (!document.hidden && asleep && D.boot) D.shell.refresh();
  });
  addEventListener("pagehide", shut);
  addEventListener("pageshow", (event) => { if (event.persisted) adapt(); });
  D.on("start", adapt);
  D.on("unreachable", again);
  D.on("ended", () => { if (document.hidden) adapt(); });
  D.stream = { adapt };
})();
