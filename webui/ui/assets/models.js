// The checkpoints: the choice in the head, the defaults it brings, its sizes, and what the empty panel says of it.
(() => {
  const D = window.darkroom;
  const { t, el, byId, setText } = D;
  let list = [];
  let chosen = "";
  let loaded = false;
  let folder = null;
  // Defaults of the chosen one from before the list was read anew.
  let outgoing = null;
  // What decided of the second pass when its choices were offered last.
  let followed = "";
  // The one that was chosen when its file went or broke, as while it is being copied over: it comes back with its file.
  let missed = "";

  // Fields that name further checkpoints, and what is said when another value takes their place.
  const OTHERS = { refiner_checkpoint: "refiner_instead", hr_checkpoint_name: "second_instead" };

  const find = (title) => list.find((model) => model.title === title) || null;

  // Answers may come in another order than they were asked for: null for one that is older than what is shown.
  let sent = 0;
  let shown = 0;
  async function ask(verb, path) {
    const mine = ++sent;
    const answer = await D.api(verb, path);
    if (mine < shown) return null;
    shown = mine;
    return answer;
  }

  async function load() {
    const answer = await ask("GET", "checkpoints").catch(() => null);
    if (!answer) return;
    accept(answer);
  }

  // The folders have changed while somebody is at the page: nothing that is chosen or open is touched without need.
  // False where the server gave no answer.
  async function renew() {
    const answer = await ask("GET", "checkpoints").catch(() => false);
    if (!answer) return answer === null;
    const now = JSON.stringify(answer.checkpoints.find((model) => model.title === chosen));
    if (!loaded || missed || now === undefined || now !== JSON.stringify(find(chosen))) {
      accept(answer);
      return true;
    }
    if (JSON.stringify(answer.checkpoints) !== JSON.stringify(list)) {
      list = answer.checkpoints;
      offer(D.form.valuesOf("txt2img"), find(chosen), { hr_checkpoint_name: offeredSeconds(find(chosen)) });
      byId("dk_checkpoint_apply")?.click();
    }
    D.emit("models", true);
    return true;
  }

  function accept(answer) {
    // What a card prefers may have been changed meanwhile.
    outgoing = find(chosen)?.defaults || null;
    const former = chosen;
    list = answer.checkpoints;
    folder = answer.folder;
    loaded = true;
    const setting = D.shell.state.settings?.sd_model_checkpoint;
    const asked = [missed, D.kept.get("checkpoint", sessionStorage), chosen, setting, D.boot.defaults.checkpoint].filter(Boolean);
    const usable = list.filter((model) => !model.problem);
    const wanted = asked.map(known).find((model) => usable.includes(model)) || usable[0];
    pick(wanted?.title || "");
    if (asked[0] !== missed) tellOther(asked[0], wanted, setting);
    else if (missed && wanted && known(missed) === wanted) D.shell.notice(t("model_back", { name: wanted.title }), "warn");
    else tellOther(former, wanted, setting);
    missed = asked[0] && !(wanted && known(asked[0]) === wanted) ? asked[0] : "";
    D.emit("models", true);
  }

  // Also where its file has another hash by now, or the same under another name.
  function known(title) {
    const [, name, hash] = title.match(/^(.*?)(?: \[([0-9a-f]{10,})\])?$/);
    return find(title) || list.find((model) => model.name === name) || (hash && list.find((model) => model.hash.startsWith(hash)));
  }

  // Another one than was wanted is never chosen without a word.
  function tellOther(title, now, setting) {
    if (!title || (now && known(title) === now)) return;
    const rule = !now ? t("model_instead_none")
      : t(setting && known(setting) === now ? "model_instead_setting" : "model_instead_first", { name: now.title });
    D.shell.notice(`${whyGone(title)} ${rule}`, "warn");
  }

  function whyGone(title) {
    const gone = known(title);
    return gone?.problem ? t("model_gone_bad", { name: gone.name, problem: gone.problem }) : t("model_gone", { name: title });
  }

  // Look into the folders again; what was put there meanwhile can be chosen without a restart.
  async function refresh(button) {
    button.disabled = true;
    try {
      const answer = await ask("POST", "checkpoints/refresh");
      if (answer) accept(answer);
      const n = list.filter((model) => !model.problem).length;
      const broken = list.filter((model) => model.problem).map((model) => model.title);
      const found = n === 1 ? t("one_checkpoint") : t("many_checkpoints", { n });
      D.shell.notice(broken.length ? `${found} · ${t("not_usable", { names: broken.join(", ") })}` : found);
    } catch (problem) {
      D.shell.notice(problem.message, "err");
    } finally {
      button.disabled = false;
    }
  }

  // Those that cannot be used come last and say so.
  const choices = () => [
    ...list.filter((model) => !model.problem).map(({ title }) => [title, title]),
    ...list.filter((model) => model.problem).map(({ title }) => [t("unusable", { name: title }), title]),
  ];

  // Gradio asks what the dropdown is to become. Choices without the value would empty it: both go together.
  const take = () => ({ __type__: "update", choices: choices(), value: chosen || null });

  // Chosen by a script.
  function pick(title) {
    if (!find(title) && title) return;
    choose(title, false);
    byId("dk_checkpoint_apply")?.click();
  }

  // Chosen with what a picture was made with: the one that was missed is wanted no more.
  function pickNew(title) {
    pick(title);
    if (title && chosen === title) missed = "";
  }

  // Chosen by hand. What the person has changed stays; what still is the old model's default becomes the new one's.
  function choose(title, byHand = true) {
    const former = chosen;
    const before = outgoing || find(chosen)?.defaults || D.boot.defaults;
    outgoing = null;
    const model = find(title);
    if (model?.problem) {
      // The field goes back to what it was, and says why.
      pick(former);
      D.problems.report({ title: model.title, detail: model.problem, field: "checkpoint", remedies: [] });
      return;
    }
    chosen = title;
    if (byHand) missed = "";
    if (!model) { draw(); return; }
    D.problems.clear("checkpoint");
    D.kept.set("checkpoint", title, sessionStorage);
    suit(model);
    const values = D.form.valuesOf("txt2img");
    const changes = Object.entries(model.defaults || {}).filter(
      ([name, value]) => name !== "checkpoint" && values[name] === before[name] && values[name] !== value);
    const own = { sampler_name: model.samplers, scheduler: model.schedulers, hr_checkpoint_name: offeredSeconds(model) };
    offer({ ...values, ...Object.fromEntries(changes) }, model, own, changes);
    values.checkpoint = title;
    if (byHand) remember(title);
    draw();
    D.emit("models");
  }

  // Chosen on another place of the page, by hand; false for one that is not here.
  async function use(title) {
    if (!find(title)) await load();
    if (!find(title)) return false;
    pick(title);
    if (chosen !== title) return false;
    missed = "";
    remember(title);
    return true;
  }

  // Offer what the model takes, and the model of a second pass what is its own; what is not taken cannot stay.
  function offer(before, model, own = {}, changes = []) {
    const renamed = retitled(before);
    const values = { ...before, ...renamed };
    const given = own.hr_checkpoint_name && !own.hr_checkpoint_name.includes(values.hr_checkpoint_name) ? "" : values.hr_checkpoint_name;
    const last = second(given);
    const { hr_sampler_name, hr_scheduler } = D.boot.defaults;
    const choices = {
      ...own, refiner_checkpoint: refiners(values.enable_hr ? last : model),
      hr_sampler_name: [hr_sampler_name, ...last.samplers], hr_scheduler: [hr_scheduler, ...last.schedulers],
    };
    followed = followedBy(values);
    const wrong = Object.keys(choices).filter((name) => !choices[name].includes(values[name])).map((name) => [name, model.defaults[name] ?? D.boot.defaults[name]]);
    for (const [name, now] of wrong) if (isOther(name, values[name])) tellReset(values[name], OTHERS[name], now);
    D.form.fill("txt2img", { ...Object.fromEntries(changes), ...renamed, ...Object.fromEntries(wrong) }, choices);
  }

  // A title gains the hash of its file as soon as that is known: the same file stays chosen.
  const retitled = (values) => Object.fromEntries(Object.keys(OTHERS)
    .map((name) => [name, values[name], isOther(name, values[name]) && known(values[name])?.title])
    .filter(([, before, now]) => now && now !== before).map(([name, , now]) => [name, now]));

  const isOther = (name, value) => name in OTHERS && Boolean(value) && value !== D.boot.defaults[name];

  // One that is there but does not suit the checkpoint goes without a word; one whose file is gone does not.
  function tellReset(title, text, now) {
    const model = known(title);
    if (!model || model.problem) D.shell.notice(`${whyGone(title)} ${t(text, { name: now })}`, "warn");
  }

  const followedBy = ({ enable_hr, hr_checkpoint_name }) => `${Boolean(enable_hr)} ${hr_checkpoint_name}`;

  // The model of a second pass that names this one, or none.
  const second = (title) => find(title) || find(chosen);

  // Those that can go on with its latents.
  const refiners = (model) => ["None", ...list.filter((other) =>
    !other.problem && model.latents && other.latents === model.latents && other.title !== model.title).map(({ title }) => title)];

  // Those that can draw over its picture.
  const offeredSeconds = (model) => [D.boot.defaults.hr_checkpoint_name, ...list.filter((other) =>
    !other.problem && !other.unknown_fields.includes("enable_hr") && other.title !== model.title).map(({ title }) => title)];

  // Controls that mean nothing to the model are hidden by head.css and form.css, which read their names here.
  const suit = (model) => {
    document.documentElement.dataset.without = model.unknown_fields.join(" ");
  };

  // What a model is and lacks, beside its title in the open list.
  function about(model) {
    const kind = [model.family_title, model.variant].filter(Boolean).join(" ");
    const lacks = model.missing.length ? t("lacks", { parts: model.missing.join(", ") }) : "";
    return [kind, lacks].filter(Boolean).join(" · ");
  }

  function drawList() {
    for (const row of document.querySelectorAll("#setting_sd_model_checkpoint [role=option]")) {
      const model = find(choices().find(([label]) => label === row.getAttribute("aria-label"))?.[1]);
      if (model && row.dataset.about !== about(model)) row.dataset.about = about(model);
    }
  }

  // Gradio draws the list when it is opened, and anew while it is searched.
  const watchList = () => {
    const place = byId("setting_sd_model_checkpoint");
    if (place) new MutationObserver(drawList).observe(place, { childList: true, subtree: true, attributeFilter: ["aria-label"] });
  };

  // A1111 keeps the last checkpoint as an option; for guests it stays with their page.
  async function remember(title) {
    const { you, settings } = D.shell.state;
    if (you?.level !== "owner" || !settings || settings.sd_model_checkpoint === title) return;
    settings.sd_model_checkpoint = title;
    await D.api("PATCH", "settings", { sd_model_checkpoint: title }).catch((problem) => D.problems.report(problem));
  }

  // Also when a tab opens, since Gradio draws its contents anew.
  function draw() {
    if (!loaded) return;
    drawSizes();
    drawEmpty();
  }

  function drawSizes() {
    const place = document.querySelector("#txt2img_sizes .dk-sizes");
    if (!place) return;
    const { width, height } = D.form.valuesOf("txt2img");
    const sizes = find(chosen)?.sizes || [];
    const label = sizes.length ? [el("span", { class: "dk-second" }, t("sizes"))] : [];
    place.replaceChildren(...label, ...sizes.map(([w, h]) => el("button", {
      type: "button", class: "dk-chip", "aria-pressed": String(w === width && h === height),
      onclick: () => D.form.fill("txt2img", { width: w, height: h }),
    }, D.size(w, h))));
  }

  function drawEmpty() {
    const empty = byId("txt2img_empty");
    if (!empty) return;
    const model = find(chosen);
    setText(empty.querySelector("h2"), t(model ? "empty_title" : "no_model_title"));
    setText(empty.querySelector(".dk-empty-text"), model ? t("empty_text") : folder ? t("no_model_text", { folder }) : t("no_model_guest"));
    const field = byId("setting_sd_model_checkpoint")?.querySelector("input");
    if (field) Object.assign(field, model ? { placeholder: "", title: "" } : missing());
    const examples = (model?.examples || []).slice(0, 3).map((prompt) =>
      el("button", { type: "button", class: "dk-link", onclick: () => D.form.fill("txt2img", { prompt }) }, prompt));
    empty.querySelector(".dk-examples").replaceChildren(...examples);
    const about = [].concat(model?.about || []);
    const lines = folder && model ? [...about, t("about_models", { folder })] : about;
    empty.querySelector(".dk-about").replaceChildren(...lines.map((line) => el("p", {}, line)));
  }

  // What the field of the checkpoint says while there is none.
  const missing = () => {
    const said = folder ? t("no_model_here", { folder }) : t("no_model_title");
    return { placeholder: said, title: said };
  };

  // What is set should be seen: the box of the refiner opens when one comes, from a picture's settings for instance.
  let refiner = "None";
  function showRefiner({ refiner_checkpoint: now = "None" }) {
    const box = byId("txt2img_enable")?.querySelector("button");
    if (now !== "None" && refiner === "None" && box && !box.classList.contains("open")) box.click();
    refiner = now;
  }

  function follow(values) {
    if (chosen && followedBy(values) !== followed) offer(values, find(chosen));
  }

  D.onClick("refresh_sd_model_checkpoint", refresh);
  D.on("drawn", watchList);
  D.on("start", load);
  D.on("tab", draw);
  D.on("form", (task, values) => { if (task === "txt2img") { drawSizes(); showRefiner(values); follow(values); } });
  D.models = { load, renew, take, pick: pickNew, use, choose, second, chosen: () => chosen, family: () => find(chosen)?.family,
    unknown: () => find(chosen)?.unknown_fields || [], none: () => loaded && !chosen };
})();
