// What is wrong with a value, said at its control: when it is left, and when the server refuses it. Nothing moves.
(() => {
  const D = window.darkroom;
  const { t, el, byId } = D;
  const BOX = 'input[data-testid="number-input"]';

  const block = (name) => byId(D.boot?.fields[name]?.id || "");
  const labelOf = (name) => D.boot.fields[name].label ?? t(`field_${name}`);
  const valueOf = (name) => D.panels.value(name) ?? D.form.valuesOf("txt2img")[name];
  const noteOf = (name) => block(name)?.querySelector(":scope > .dk-field-error");
  const shown = (number) => number.toLocaleString("en", { maximumFractionDigits: 10 });

  // What the field's row forbids, with values that it allows; null when nothing is wrong. Names are the server's to check.
  function wrong(name, value) {
    const row = D.boot.fields[name];
    if (!row || !["int", "float"].includes(row.kind)) return null;
    const { minimum: low, maximum: high, multiple } = row;
    const limits = { low: shown(low), high: shown(high) };
    if (value === null || value === undefined || Number.isNaN(value)) {
      // As in A1111, a seed that is not there is drawn.
      return ["seed", "subseed"].includes(name) ? null : { detail: t("wrong_range", { ...limits, value: t("nothing") }), use: [row.default ?? D.boot.defaults[name]] };
    }
    if (value < low || value > high) {
      return { detail: t("wrong_range", { ...limits, value: shown(value) }), use: [value < low ? low : high] };
    }
    const unit = multiple || (row.kind === "int" ? 1 : 0);
    const below = unit && Math.floor(value / unit) * unit;
    if (!unit || below === value) return null;
    const near = [below, below + unit].filter((one) => one >= low && one <= high);
    return { detail: t(multiple ? "wrong_multiple" : "wrong_whole", { multiple, value: shown(value) }), use: near };
  }

  // Say what is wrong with a value, or that nothing is. One that was said stays: a link in it may just be pressed.
  function look(name, value) {
    const found = wrong(name, value);
    if (!found) { clear(name); return false; }
    if (noteOf(name)?.dataset.value === String(value)) return true;
    const links = found.use.map((one) => link(t("use_value", { value: one }), name, one));
    return say(name, value, found.detail, [el("span", { class: "dk-sr" }, `${labelOf(name)}: `)], links);
  }

  // While a number is being typed nothing is wrong with it yet.
  function changed(name, value) {
    const typing = document.activeElement;
    if (block(name)?.contains(typing) && typing.type === "number") clear(name);
    else look(name, value);
  }

  function say(name, value, detail, before, links) {
    const place = block(name);
    if (!place) return false;
    clear(name);
    const close = el("button", { type: "button", class: "dk-close-note", "aria-label": t("close"), onclick: () => clear(name) }, "×");
    const note = el("div", { class: "dk-field-error", role: "alert", "data-field": name, "data-value": String(value), id: `${place.id}_error` },
      ...before, el("span", {}, detail), ...links.flatMap((one) => [" ", one]), close);
    place.append(note);
    place.classList.add("dk-invalid");
    const input = place.querySelector("textarea, input, select");
    input?.setAttribute("aria-invalid", "true");
    input?.setAttribute("aria-describedby", note.id);
    return true;
  }

  function clear(name) {
    for (const note of document.querySelectorAll(".block > .dk-field-error")) {
      if (name && note.dataset.field !== name) continue;
      note.parentElement.classList.remove("dk-invalid");
      const input = note.parentElement.querySelector("[aria-invalid]");
      input?.removeAttribute("aria-invalid");
      input?.removeAttribute("aria-describedby");
      note.remove();
    }
  }

  // Everything that can be known to be wrong before the server is asked; the first is gone to.
  function any(values) {
    // What is said of a field that is not drawn would not be seen.
    for (const name of Object.keys(values)) if (wrong(name, values[name])) D.panels.reveal(name);
    const names = Object.keys(values).filter((name) => look(name, values[name]));
    if (names.length) goTo(names[0]);
    return names.length > 0;
  }

  function goTo(name) {
    const place = block(name);
    place.scrollIntoView({ block: "nearest" });
    // A dropdown opens its list when it is gone to, over what is to be read.
    const aim = place.querySelector(".wrap-inner") ? noteOf(name).querySelector("button") : place.querySelector("textarea, input, select");
    aim.focus({ preventScroll: true });
  }

  // A refusal of the server stands at its cause, each of several at its own. What has no place here stands in the
  // results if it is about a job that `again` sends once more, else it is a message.
  function report(problem, again = null) {
    const faults = problem.errors?.length ? problem.errors : [problem];
    const said = faults.filter((fault) => {
      D.panels.reveal(fault.field);
      const seen = fault.field && block(fault.field)?.offsetParent;
      return seen && say(fault.field, valueOf(fault.field), fault.detail, [], fault.remedies.map((one) => remedy(one, fault.field)));
    });
    if (said.length) goTo(said[0].field);
    const rest = faults.find((fault) => !said.includes(fault));
    if (!rest) return;
    // What is being made stays in sight.
    if (again && byId("txt2img_results")?.offsetParent && !D.jobs.active()) D.results.problem({ ...problem, ...rest, again });
    else D.shell.notice(rest.detail, "err");
  }

  // A remedy that names a value does it when pressed; any other is a sentence.
  function remedy(text, name) {
    const value = /^Use '(.+)'$/.exec(text)?.[1] ?? /^Use (-?[\d.]+)$/.exec(text)?.[1];
    if (value === undefined || !block(name) || name === "checkpoint") return el("span", { class: "dk-second" }, text);
    return link(text, name, ["int", "float"].includes(D.boot.fields[name].kind) ? Number(value) : value);
  }

  function link(text, name, value) {
    const use = () => {
      if (D.panels.has(name)) D.panels.set({ [name]: value });
      else D.form.fill("txt2img", { [name]: value });
      clear(name);
    };
    return el("button", { type: "button", class: "dk-link", onclick: use }, text);
  }

  const nameOf = (input) => {
    const id = input.closest?.("#tab_txt2img .block[id]")?.id;
    return id && Object.keys(D.boot.fields).find((name) => D.boot.fields[name].id === id);
  };

  // When a slider's box is left, Gradio pulls what was typed into the slider's range without a word, even where more
  // is accepted than the slider shows. Heard before Gradio hears it, so that what was typed stays.
  addEventListener("blur", (event) => {
    if (event.target.matches?.(BOX)) event.stopImmediatePropagation();
  }, true);
  for (const kind of ["focusout", "change"]) {
    document.addEventListener(kind, ({ target }) => {
      const name = D.boot && target.type === "number" && nameOf(target);
      if (name) look(name, target.value === "" ? null : Number(target.value));
    });
  }

  // A problem above the tabs would stand over what another one shows; those inside a tab go and come with it.
  D.on("tab", () => {
    for (const note of document.querySelectorAll("#quicksettings .dk-field-error")) clear(note.dataset.field);
  });

  D.problems = { look, changed, any, report, clear, remedy };
})();
