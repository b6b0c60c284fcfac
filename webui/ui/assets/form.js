// The form of a task: values by field name, written through Gradio; pasting.
(() => {
  const D = window.darkroom;
  const { t, byId, setText } = D;
  const latest = {};
  const pending = {};
  // What there is to choose from, where a model narrows it.
  const choices = {};

  // Keys of a text that no field takes, and that nobody misses.
  const SAYS_NOTHING = ["Version", "Model hash", "Stopped at step", "Template", "Negative Template"];

  // The one place where Gradio's list of values becomes an object by field name.
  const named = (names, values) => Object.fromEntries(names.map((name, i) => [name, values[i]]));

  // A tab may ask before the page has heard what there is; then there is nothing yet.
  const valuesOf = (task) => latest[task] || { ...D.boot?.defaults };

  // Set some controls; the hidden button makes Gradio ask `take` for what each is to become. What stands in the head of
  // the page goes there.
  function fill(task, { vae, text_encoders, ...values }, narrowed = {}) {
    if (vae !== undefined || text_encoders !== undefined) D.modules.pick({ vae, text_encoders });
    for (const [name, names] of Object.entries(narrowed)) {
      if (choices[name]?.join("\n") === names.join("\n")) continue;
      choices[name] = names;
      // Choices without the value would empty the field: both go together.
      values[name] ??= valuesOf(task)[name];
    }
    pending[task] = { ...pending[task], ...values };
    latest[task] = { ...valuesOf(task), ...values };
    byId(`${task}_apply`)?.click();
    for (const [name, value] of Object.entries(values)) D.problems.look(name, value);
  }

  // Have a list drawn anew, with the value that is chosen.
  function offer(task, name) {
    if (choices[name]) fill(task, { [name]: valuesOf(task)[name] });
  }

  function take(task, names) {
    const values = pending[task] || {};
    pending[task] = null;
    const offered = (name) => (name.endsWith("sampler_name") ? D.samplers.offered(choices[name], values[name]) : choices[name]);
    const become = (name) => (choices[name] ? { __type__: "update", value: values[name], choices: offered(name).map((one) => [one, one]) } : values[name]);
    return names.map((name) => (name in values ? become(name) : { __type__: "update" }));
  }

  function changed(task, values) {
    const before = valuesOf(task);
    latest[task] = values;
    for (const [name, value] of Object.entries(values)) if (before[name] !== value) D.problems.changed(name, value);
    // For this tab, and for the next that is opened.
    for (const store of [sessionStorage, localStorage]) D.kept.set(`form-${task}`, values, store);
    D.emit("form", task, values);
  }

  function restore(task) {
    const values = D.kept.get(`form-${task}`, sessionStorage) || D.kept.get(`form-${task}`);
    if (values) {
      const { checkpoint, ...own } = values;
      fill(task, own);
    }
    D.emit("form", task, valuesOf(task));
  }

  async function paste(task, values) {
    let text = (values.prompt || "").trim();
    try {
      if (!text) {
        const answer = await D.api("GET", "pictures?limit=1");
        const [last] = answer.pictures || answer;
        if (!last) { D.shell.notice(t("paste_nothing")); return; }
        text = last.infotext;
      }
      use(task, await D.api("POST", "infotext", { text }));
    } catch (problem) {
      D.problems.report(problem);
    }
  }

  function use(task, { values, unknown = {} }) {
    const { checkpoint, extensions, ...own } = values;
    const said = Object.keys(own).some((name) => !["prompt", "negative_prompt"].includes(name));
    if (!said && !checkpoint) { D.shell.notice(t("paste_none")); return; }
    const fields = D.boot.fields;
    if (checkpoint) D.models.pick(checkpoint);
    // A picture that names no VAE was made with the one inside its checkpoint; one that names none at all says nothing.
    const parts = said ? { vae: "Automatic", text_encoders: "" } : {};
    fill(task, { ...parts, ...Object.fromEntries(Object.entries(own).filter(([name]) => fields[name])) });
    if (said) {
      D.extra.use(own);
      D.overrides.use(own);
      D.panels.use(extensions);
    }
    const names = Object.keys(unknown).filter((name) => name !== "Model" && !SAYS_NOTHING.includes(name));
    const left = names.length ? t("paste_unknown", { names: names.join(", ") }) : "";
    const model = unknown.Model ? t("paste_model", { name: unknown.Model }) : "";
    if (left || model) D.shell.notice([model, left].filter(Boolean).join(" · "));
  }

  // The settings that made a picture, back into the form, from wherever it is shown.
  async function useInfotext(task, text) {
    try {
      use(task, await D.api("POST", "infotext", { text }));
      byId(`tab_${task}-button`)?.click();
    } catch (problem) {
      D.problems.report(problem);
    }
  }

  function clear(task) {
    const { prompt, negative_prompt } = valuesOf(task);
    fill(task, { prompt: "", negative_prompt: "" });
    if (prompt || negative_prompt) {
      D.shell.notice(t("prompts_cleared"), "", { text: t("undo"), call: () => fill(task, { prompt, negative_prompt }) });
    }
    byId(`${task}_prompt`)?.querySelector("textarea")?.focus();
  }

  // What a label cannot carry.
  const TITLES = {
    paste: "paste_title", txt2img_clear_prompt: "clear_title", txt2img_generate_forever: "forever_title",
    txt2img_random_seed: "seed_random_title", txt2img_reuse_seed: "seed_reuse_title",
    txt2img_random_subseed: "subseed_random_title", txt2img_reuse_subseed: "subseed_reuse_title", txt2img_subseed_show: "extra_title",
  };
  function explain() {
    for (const [id, key] of Object.entries(TITLES)) if (byId(id)) byId(id).title = t(key);
    for (const [name, { id }] of Object.entries(D.boot.fields)) {
      const label = id && byId(id)?.querySelector("[data-testid=block-info]");
      // One control may be for several fields; the first explains it.
      if (label && !label.title) label.title = t(`help_${name}`);
    }
  }

  D.on("drawn", explain);
  D.on("start", () => restore("txt2img"));
  D.onClick("txt2img_clear_prompt", () => clear("txt2img"));
  D.onClick("txt2img_random_seed", () => fill("txt2img", { seed: -1 }));
  D.onClick("txt2img_reuse_seed", () => {
    const picture = D.results.selected();
    if (picture) fill("txt2img", { seed: picture.seed });
  });
  D.onClick("txt2img_res_switch_btn", () => {
    const { width, height } = valuesOf("txt2img");
    fill("txt2img", { width: height, height: width });
  });
  D.form = { SAYS_NOTHING, offer, named, valuesOf, fill, take, changed, paste, use, useInfotext };
})();
