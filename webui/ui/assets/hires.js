// The box of Hires. fix: it opens when a form switches it on, and its head says from which size to which.
(() => {
  const D = window.darkroom;
  const { el, byId, setText } = D;
  let on = false;

  // The size of the second pass, as the server has it: see HiresFix.target.
  function target({ width, height, hr_scale: scale, hr_resize_x: x, hr_resize_y: y, hr_checkpoint_name: second }) {
    const { size_multiple: multiple = 8 } = D.models.second(second) || {};
    const down = (side) => { const whole = Math.floor(side + 1e-6); return whole - (whole % multiple); };
    if (x && y) return [down(x), down(y)];
    if (x) return [down(x), down((x * height) / width)];
    if (y) return [down((y * width) / height), down(y)];
    return [down(width * scale), down(height * scale)];
  }

  function draw(task, values) {
    const head = byId(`${task}_hr`)?.querySelector("button");
    if (!head) return;
    if (!head.querySelector(".dk-hires")) head.firstElementChild.after(el("span", { class: "dk-hires dk-second" }));
    const said = values.enable_hr ? `${D.size(values.width, values.height)} → ${D.size(...target(values))}, ${values.hr_upscaler}` : "";
    setText(head.querySelector(".dk-hires"), said);
    if (values.enable_hr && !on && !head.classList.contains("open")) head.click();
    on = Boolean(values.enable_hr);
  }

  // The fields that mean nothing while it is off.
  const unasked = ({ enable_hr }) => (enable_hr && !D.models.unknown().includes("enable_hr") ? [] : D.boot.hires_fields);

  // Pixels times steps of a request's second pass.
  function work({ hires, ...request }) {
    if (!hires) return 0;
    const [width, height] = target({ ...request, ...hires });
    return width * height * (hires.denoising_strength ? hires.hr_second_pass_steps || request.steps : 1);
  }

  D.on("form", (task, values) => { if (task === "txt2img") draw(task, values); });
  D.on("tab", () => draw("txt2img", D.form.valuesOf("txt2img")));
  D.hires = { unasked, work };
})();
