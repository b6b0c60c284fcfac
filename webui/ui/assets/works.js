// The tab of works on models: the forms' lists and values, refusals at their fields, and a card for each work.
(() => {
  const D = window.darkroom;
  const { t, el, byId, setText } = D;
  const SAYS = { "Weighted sum": "merge_says_weighted_sum", "Add difference": "merge_says_add_difference", "No interpolation": "merge_says_no_interpolation" };
  const lists = { models: [], prunable: [], vaes: [] };
  const PRUNABLE = ["safetensors", "ckpt"];
  const cards = new Map();
  const open = () => D.shell.state.tab === "tab_modelmerger" && byId("modelworks_list");

  // What there is to choose from. One that the page knows of stays chosen where it still is there.
  async function load() {
    const [models, modules] = await Promise.all([D.api("GET", "checkpoints"), D.api("GET", "modules")].map((one) => one.catch(() => null)));
    if (models) {
      const fit = models.checkpoints.filter(workable);
      lists.models = fit.map((model) => model.title);
      lists.prunable = fit.filter((model) => PRUNABLE.includes(model.format)).map((model) => model.title);
      // Gradio draws the form only once its tab is opened: works.css shows there that nothing can be pruned.
      D.toggle(document.documentElement, "data-nothing-to-prune", !lists.prunable.length);
    }
    if (modules) lists.vaes = modules.modules.filter((file) => file.role === "vae").map((file) => file.name);
    byId("modelworks_fill")?.click();
  }

  // A file that lacks but parts beside it can be worked on; nothing else that cannot be used can.
  const workable = (model) => model.family && (!model.problem || (model.format !== "diffusers" && model.missing.length));

  const bare = (title) => title.replace(/ \[[0-9a-f]{10}\]$/, "");

  // Gradio asks what each list is to become. A title may have got its hash meanwhile.
  function take(kinds, values) {
    return kinds.map((kind, i) => {
      const names = lists[kind];
      const before = values[i] || "";
      const value = names.includes(before) ? before : names.find((name) => bare(name) === bare(before)) || "";
      const none = kind === "vaes" ? t("no_vae") : "";
      return { __type__: "update", value, choices: [[none, ""], ...names.map((name) => [name, name])] };
    });
  }

  // The models of a merge: only those that the method takes can be chosen, and count.
  const taken = (method) => Object.entries(D.boot.merged).map(([letter, name]) => [name, D.boot.merge_takes[method].includes(letter)]);

  function describe(method) {
    const said = byId("modelmerger_interp_description")?.querySelector("p");
    if (said) {
      said.dataset.t = SAYS[method];
      setText(said, t(SAYS[method]));
    }
    return taken(method).map(([, interactive]) => ({ __type__: "update", interactive }));
  }

  // Precisions of parts are one field of the request.
  function bodyOf(values) {
    const body = {};
    for (const [name, value] of Object.entries(values)) {
      const [field, part] = name.split(".");
      if (!part) body[field] = value ?? "";
      else { body[field] ??= {}; if (value) body[field][part] = value; }
    }
    return body;
  }

  async function send(work, values) {
    clear();
    if (work === "merge") values = { ...values, ...Object.fromEntries(taken(values.interp_method).filter(([, takes]) => !takes).map(([name]) => [name, ""])) };
    try {
      const job = D.jobs.adopt(await D.api("POST", `models/${work}`, bodyOf(values)));
      D.shell.notice(t("works_queued", { what: job.summary }));
      D.stream.adapt();
      D.emit("jobs");
      byId("modelworks_list_area")?.scrollIntoView({ block: "nearest", behavior: "smooth" });
    } catch (problem) {
      refuse(work, problem);
    }
  }

  // Where fields stand that a form has under another name. The target is what the name leads to.
  const placeOf = (ids, field) => byId(ids[field]
    || { precision: ids["precision.denoiser"], checkpoint: ids.primary_model_name, name: ids.custom_name, target: ids.custom_name || ids.name, vae: ids.bake_in_vae }[field] || "");

  // A refusal stands at its field, and one that has none above the button, until the next try.
  function refuse(work, problem) {
    const ids = D.boot.works[work];
    for (const fault of problem.errors?.length ? problem.errors : [problem]) {
      const place = placeOf(ids, fault.field);
      // What is in the target's way has its two ways out in this form.
      const remedies = fault.field === "target" && ids.overwrite && byId(ids.overwrite) ? [t("works_target_ways")] : fault.remedies || [];
      const ways = remedies.length ? el("span", { class: "dk-second" }, ` ${remedies.join(". ")}.`) : null;
      const note = el("div", { class: "dk-field-error", role: "alert" }, el("span", {}, fault.detail), ways,
        el("button", { type: "button", class: "dk-close-note", "aria-label": t("close"), onclick: () => forget(note) }, "×"));
      if (place?.offsetParent) {
        place.append(note);
        place.classList.add("dk-invalid");
      } else {
        const button = byId(ids.button);
        (button.closest("#modelget_buttons") || button).before(note);
      }
      note.scrollIntoView({ block: "nearest" });
    }
  }

  function forget(note) {
    note.parentElement.classList.remove("dk-invalid");
    note.remove();
  }

  const clear = (place = byId("modelworks_forms")) => place.querySelectorAll(".dk-field-error").forEach(forget);

  const bytes = (n) => (n === null ? t("get_unknown") : n < 2 ** 20 ? `${Math.ceil(n / 1024)} KiB` : n < 2 ** 30 ? `${Math.round(n / 2 ** 20)} MiB` : `${(n / 2 ** 30).toFixed(2)} GiB`);

  // What lies at an address, before anything is fetched.
  async function look(work, values) {
    clear();
    const place = byId("modelget_found");
    place.replaceChildren(el("p", { class: "dk-second" }, t("get_looking")));
    try {
      const found = await D.api("POST", "models/look", bodyOf(values));
      const facts = [
        ["get_kind", found.kind], ["get_size", bytes(found.size_bytes)], ["get_licence", found.licence || t("get_unknown")],
        ["get_words", found.trained_words.join(", ")], ["get_sum", found.sha256], ["get_goes", found.target],
        ["get_page", /^https?:/.test(found.page) && el("a", { href: found.page, target: "_blank", rel: "noreferrer" }, found.page)],
      ].filter(([, value]) => value);
      place.replaceChildren(el("h3", {}, found.name),
        el("dl", {}, ...facts.flatMap(([key, value]) => [el("dt", {}, t(key)), el("dd", {}, value)])),
        ...(found.is_there ? [el("p", { class: "dk-warned" }, t("get_there"))] : []));
    } catch (problem) {
      place.replaceChildren();
      refuse(work, problem);
    }
  }

  async function keepToken(work, { host, token }) {
    clear();
    try {
      await D.api("PUT", "models/tokens", { host: host.trim(), token: token.trim() });
      byId("modelget_token_clear")?.click();
      D.shell.notice(t(token.trim() ? "token_kept" : "token_forgotten", { host: host.trim() }));
    } catch (problem) {
      refuse(work, problem);
    }
  }

  // Own works, newest first; what runs and waits stands above what has ended.
  function draw() {
    if (!open()) return;
    const jobs = [...D.jobs.all.values()].filter((job) => D.jobs.isWork(job) && !D.captions.isCaption(job));
    jobs.sort((one, other) => D.jobs.ended(one) - D.jobs.ended(other) || (D.jobs.ended(one) ? other.created - one.created : one.created - other.created));
    const list = byId("modelworks_list");
    const nodes = jobs.slice(0, 20).map(card);
    nodes.forEach((node, index) => { if (list.children[index] !== node) list.insertBefore(node, list.children[index] || null); });
    while (list.children.length > nodes.length) { cards.delete(list.lastChild.dataset.id); list.lastChild.remove(); }
    byId("modelworks_empty").replaceChildren(...(jobs.length ? [] : [el("h3", {}, t("works_none_title")), el("p", {}, t("works_none"))]));
  }

  function card(job) {
    const known = cards.get(job.id) || build(job);
    cards.set(job.id, known);
    known.node.dataset.state = job.state;
    const [word, mood] = D.queue.stateWords(job);
    known.state.dataset.mood = mood;
    setText(known.state, word);
    setText(known.what, job.summary);
    const share = job.state === "running" ? D.jobs.fraction(job) : null;
    known.bar.hidden = job.state !== "running";
    D.toggle(known.bar, "data-moving", job.state === "running" && share === null);
    if (share !== null) D.bar(known.bar, share);
    const notes = [...(job.result?.path ? [t("work_lies", { path: job.result.path })] : []), ...job.notes, ...(job.problem?.remedies || [])];
    if (known.said !== notes.join("\n")) {
      known.said = notes.join("\n");
      known.notes.replaceChildren(...notes.map((note) => el("p", { class: "dk-second" }, note)));
    }
    drawActs(known, job);
    return known.node;
  }

  function build(job) {
    const what = el("p", { class: "dk-work-what" });
    const state = el("p", { class: "dk-state" });
    const bar = el("div", { class: "dk-bar", role: "progressbar", "aria-label": job.summary.slice(0, 80), "aria-valuemin": "0", "aria-valuemax": "100" }, el("i"));
    const notes = el("div", {});
    const buttons = el("div", { class: "dk-row-acts" });
    const node = el("div", { role: "listitem", "data-id": job.id, class: "dk-work" },
      el("div", {}, el("p", { class: "dk-second" }, t(`task_${job.task}`)), what, bar, state, notes), buttons);
    return { node, what, state, bar, notes, buttons };
  }

  // What can be done to a work, each as a word and a call. What is done cannot be done again: its place is taken.
  function acts(job) {
    const others = D.captions.acts(job);
    if (others) return others;
    if (job.state === "done") return job.result?.title ? [["work_use", () => use(job)]] : [];
    if (D.jobs.ended(job)) return [["run_again", () => D.queue.again(job)]];
    // One that was told to stop takes away what it has begun; asked again it is left to itself.
    return [[job.interrupting ? "work_leave" : "work_stop", () => stop(D.jobs.all.get(job.id) || job)]];
  }

  // Buttons are made anew only when they change, so that a press is never lost.
  function drawActs(known, job) {
    const found = acts(job);
    const key = found.map(([word]) => word).join(" ");
    if (known.acts === key) return;
    known.acts = key;
    known.buttons.replaceChildren(...found.map(([word, press]) =>
      el("button", { type: "button", class: "dk-act", onclick: press, "aria-label": `${t(word)}: ${job.summary}` }, t(word))));
  }

  async function stop(job) {
    if (job.state === "running") job.interrupting = true;
    D.emit("jobs");
    await D.make.act("DELETE", `jobs/${job.id}`);
  }

  async function use(job) {
    await Promise.all([D.models.load(), load()]);
    const { title } = job.result;
    await D.models.use(lists.models.find((one) => bare(one) === bare(title)) || title);
    D.shell.notice(t("work_using", { name: job.result.name }));
  }

  D.on("ended", async (job) => {
    if (!D.jobs.isWork(job) || D.captions.isCaption(job) || job.state !== "done") return;
    if (job.result?.title) await D.models.load();
    D.shell.notice(t("work_made", { name: job.result?.name || job.summary }), "", job.result?.title ? { text: t("work_use"), call: () => use(job) } : null);
    load();
  });
  D.on("tab", (id) => { if (id === "tab_modelmerger") { load(); draw(); } });
  D.on("models", (refreshed) => { if (refreshed && open()) load(); });
  D.on("jobs", draw);
  D.onClick("modelworks_refresh", async () => { await D.api("POST", "checkpoints/refresh").catch(() => null); load(); });
  document.addEventListener("input", ({ target }) => {
    const block = target.closest?.("#modelworks_forms .dk-invalid");
    if (block) clear(block);
  });
  D.works = { take, send, look, keepToken, describe, acts };
})();
