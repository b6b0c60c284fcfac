// The PNG Info tab: a picture is dropped, pasted or chosen, and what its file says stands beside it.
(() => {
  const D = window.darkroom;
  const { t, el, byId, setText } = D;
  let address = "";
  let turn = 0;

  async function show(file) {
    const mine = ++turn;
    picture(file);
    result(el("p", { class: "dk-second" }, t("pnginfo_reading")));
    try {
      const answer = await D.api("POST", "pictures/read", file);
      if (mine === turn) draw(answer, file);
    } catch (problem) {
      if (mine === turn) result(el("p", { class: "dk-field-error", role: "alert" }, [problem.message, ...(problem.remedies || [])].join(" ")));
    }
  }

  function picture(file) {
    if (address) URL.revokeObjectURL(address);
    address = URL.createObjectURL(file);
    // What a browser cannot draw is read all the same.
    const image = el("img", { src: address, alt: t("pnginfo_picture"), onerror: () => image.remove() });
    byId("pnginfo_image").replaceChildren(image);
    const button = byId("pnginfo_choose");
    button.dataset.t = "pnginfo_other";
    setText(button, t("pnginfo_other"));
  }

  const result = (...nodes) => byId("pnginfo_result").replaceChildren(...nodes);

  function draw(answer, file) {
    for (const problem of answer.problems) D.shell.notice(problem, "warn");
    const size = D.size(answer.width, answer.height);
    if (!answer.reader) {
      result(el("p", {}, t("pnginfo_none")), el("p", { class: "dk-second" }, t("pnginfo_none_why")), el("p", { class: "dk-second" }, size),
        el("div", { class: "dk-acts" },
          el("button", { type: "button", class: "dk-button", title: t("interrogate_title"), onclick: () => D.captions.ofFile(file) }, t("interrogate"))));
      return;
    }
    const { prompt, negative_prompt } = answer.values;
    result(
      el("div", { class: "dk-acts" },
        el("button", { type: "button", class: "dk-button", "data-primary": true, id: "pnginfo_send_txt2img", onclick: () => send(answer) }, t("pnginfo_send"))),
      el("p", { class: "dk-second", id: "pnginfo_reader" }, t("pnginfo_reader", { size, name: answer.reader })),
      ...(prompt ? [el("p", { class: "dk-prompt-text" }, prompt)] : []),
      ...(negative_prompt ? [el("p", { class: "dk-second dk-prompt-text" }, t("without", { text: negative_prompt }))] : []),
      table(answer),
      ...(answer.infotext ? [text(answer.infotext)] : []),
    );
  }

  // What the form cannot take over is marked; of other programs' files it may stand in no pair.
  function table({ pairs, unknown }) {
    const rows = pairs.map(({ label, value }) => [label, value]);
    const listed = new Set(rows.map(([label]) => label));
    rows.push(...Object.entries(unknown).filter(([label]) => !listed.has(label)));
    const left = (label) => label in unknown && !D.form.SAYS_NOTHING.includes(label);
    return el("dl", { class: "dk-values", id: "pnginfo_values" }, ...rows.flatMap(([label, value]) => [
      el("dt", {}, label),
      left(label) ? el("dd", { "data-unknown": true }, t("pnginfo_unknown", { value })) : el("dd", {}, value),
    ]));
  }

  function text(words) {
    const copy = el("button", { type: "button", class: "dk-act" }, t("pnginfo_copy"));
    copy.addEventListener("click", async () => { if (await D.copy(words)) D.shell.notice(t("pnginfo_copied")); });
    return el("details", {}, el("summary", {}, t("pnginfo_text")), copy, el("pre", { id: "generation_info", tabindex: "0" }, words));
  }

  function send(answer) {
    D.form.use("txt2img", answer);
    byId("tab_txt2img-button")?.click();
  }

  // Where a file would fall is seen while it is dragged.
  for (const [kind, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
    document.addEventListener(kind, (event) => D.toggle(byId("pnginfo_area"), "data-over", over && D.shell.state.tab === "tab_pnginfo" && [...event.dataTransfer.types].includes("Files")));
  }
  D.onClick("pnginfo_choose", () => byId("pnginfo_file").click());
  document.addEventListener("change", (event) => {
    if (event.target.id !== "pnginfo_file") return;
    const [file] = event.target.files;
    // The same one may be chosen again.
    event.target.value = "";
    if (file) show(file);
  });
  D.pngInfo = { show };
})();
