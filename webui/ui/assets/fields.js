// The control of an extension's field, in the shapes of Gradio's without their weight: a page may hold hundreds.
(() => {
  const D = window.darkroom;
  const { el } = D;
  const LONG = 200;

  const numberOf = (box) => (box.value.trim() === "" ? null : Number(box.value));
  // What is being typed is left alone while it means the same.
  const write = (box, value) => { if (numberOf(box) !== value) box.value = value ?? ""; };
  const title = (row, id) => el("label", { for: `${id}_input`, title: row.help }, el("span", { "data-testid": "block-info" }, row.label));

  function slider(row, id, hear) {
    const [low, high] = row.slider || [row.minimum, row.maximum];
    const box = el("input", { type: "number", id: `${id}_input`, "data-testid": "number-input", min: row.minimum, max: row.maximum, step: row.step, oninput: () => hear(numberOf(box)) });
    const range = el("input", { type: "range", "aria-label": row.label, min: low, max: high, step: row.step, oninput: () => hear(Number(range.value)) });
    const set = (value) => {
      write(box, value);
      range.value = value ?? low;
      range.style.setProperty("--range_progress", `${((range.value - low) / (high - low)) * 100}%`);
    };
    const head = el("div", { class: "head" }, title(row, id), el("div", { class: "tab-like-container" }, box));
    return [el("div", { class: "wrap" }, head, el("div", { class: "slider_input_container" }, range)), set];
  }

  function number(row, id, hear) {
    const step = row.kind === "int" ? row.multiple || 1 : "any";
    const box = el("input", { type: "number", id: `${id}_input`, min: row.minimum, max: row.maximum, step, oninput: () => hear(numberOf(box)) });
    return [el("div", {}, title(row, id), box), (value) => write(box, value)];
  }

  function check(row, id, hear) {
    const box = el("input", { type: "checkbox", id: `${id}_input`, onchange: () => hear(box.checked) });
    return [el("label", { class: "dk-check", title: row.help }, box, el("span", { "data-testid": "block-info" }, row.label)), (value) => { box.checked = value; }];
  }

  // A choice is a name, or a name with what it is called.
  function choice(row, id, hear) {
    const options = row.choices.map((one) => [one].flat()).map(([name, title = name]) => el("option", { value: name }, title));
    const list = el("select", { id: `${id}_input`, onchange: () => hear(list.value) }, ...options);
    return [el("div", {}, title(row, id), list), (value) => { list.value = value; }];
  }

  function text(row, id, hear) {
    const kind = row.maximum > LONG ? ["textarea", { rows: 2 }] : ["input", { type: "text" }];
    const box = el(kind[0], { ...kind[1], id: `${id}_input`, maxlength: row.maximum, autocomplete: "off", oninput: () => hear(box.value) });
    return [el("div", {}, title(row, id), box), (value) => { if (box.value !== value) box.value = value; }];
  }

  const MAKERS = { bool: check, choice, text };

  // {node, set}: the control with this id; `hear` is told of what a person sets it to.
  function control(row, id, hear) {
    const make = MAKERS[row.kind] || (row.step === null ? number : slider);
    const [inner, set] = make(row, id, hear);
    return { node: el("div", { class: "block dk-own", id, "data-kind": row.kind }, inner), set };
  }

  D.fields = { control };
})();
