// The prompts that a person used last, in a small list under the prompt's label; a press puts one into the form.
(() => {
  const D = window.darkroom;
  const { t, el, byId } = D;
  const TASK = "txt2img";
  const EDGE = 16;
  const GAP = 4;
  let panel = null;

  const opener = () => byId(`${TASK}_prompt_history`);
  const open = () => Boolean(panel?.matches(":popover-open"));

  function build() {
    if (!opener() || panel?.isConnected) return;
    panel = el("div", { id: `${TASK}_prompt_recent`, popover: "auto", role: "dialog", "aria-label": t("recent_title") });
    document.querySelector(".gradio-container").append(panel);
    opener().popoverTargetElement = panel;
    panel.addEventListener("toggle", () => { if (open()) { place(); load(); } });
    panel.addEventListener("keydown", arrows);
    addEventListener("resize", () => { if (open()) place(); });
  }

  // Under its opener, and within the window on a phone.
  function place() {
    const { bottom, right } = opener().getBoundingClientRect();
    const width = document.documentElement.clientWidth;
    panel.style.top = `${bottom + GAP}px`;
    panel.style.right = `${Math.max(EDGE, Math.min(width - right, width - panel.offsetWidth - EDGE))}px`;
    panel.style.maxHeight = `${Math.max(160, innerHeight - bottom - GAP - EDGE)}px`;
  }

  async function load() {
    try {
      const { prompts } = await D.api("GET", "prompts/recent");
      draw(prompts);
    } catch (problem) {
      panel.replaceChildren(el("p", { role: "status" }, problem.message));
    }
  }

  function draw(prompts) {
    panel.replaceChildren(...(prompts.length
      ? prompts.map((one) => el("button", { type: "button", title: D.moment(one.used), onclick: () => use(one) },
        el("span", {}, one.prompt),
        one.negative_prompt ? el("small", {}, t("without", { text: one.negative_prompt })) : null))
      : [el("p", { role: "status" }, t("recent_none"))]));
    panel.querySelector("button")?.focus();
    place();
  }

  function arrows(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const buttons = [...panel.querySelectorAll("button")];
    buttons[(buttons.indexOf(document.activeElement) + by + buttons.length) % buttons.length]?.focus();
  }

  // Pressed by mistake it can be undone.
  function use({ prompt, negative_prompt, styles }) {
    const before = D.form.valuesOf(TASK);
    const was = Object.fromEntries(["prompt", "negative_prompt", "styles"].map((name) => [name, before[name]]));
    panel.hidePopover();
    D.form.fill(TASK, { prompt, negative_prompt, styles });
    if (was.prompt || was.negative_prompt) D.shell.notice(t("recent_used"), "", { text: t("undo"), call: () => D.form.fill(TASK, was) });
    byId(`${TASK}_prompt`).querySelector("textarea").focus();
  }

  D.on("drawn", build);
  D.on("tab", build);
})();
