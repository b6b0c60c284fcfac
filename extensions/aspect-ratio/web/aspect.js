// Buttons for the shape of a picture: pressed, width and height become that shape with about as many pixels.
(() => {
  const page = window.darkroom.extend;
  const RATIOS = [[1, 1], [4, 3], [3, 2], [16, 9], [21, 9]];

  // Sides that every model can draw: large ones in 64ths, as most want it.
  function sides(width, height, across, down) {
    const area = width * height;
    const unit = Math.min(width, height) >= 512 ? 64 : 8;
    const round = (side) => Math.max(64, Math.min(2048, Math.round(side / unit) * unit));
    return { width: round(Math.sqrt((area * across) / down)), height: round(Math.sqrt((area * down) / across)) };
  }

  function press(across, down) {
    const { width, height } = page.values();
    // The shape that is there already is turned upright, or back.
    const now = sides(width, height, across, down);
    const same = now.width === width && now.height === height;
    page.set(same ? sides(width, height, down, across) : now);
  }

  function draw() {
    const place = document.getElementById("txt2img_sizes");
    if (!place || document.getElementById("aspect_ratio")) return;
    const buttons = RATIOS.map(([across, down]) => page.element("button", {
      type: "button", class: "dk-link", title: `Shape ${across} to ${down}; pressed again, upright`,
      onclick: () => press(across, down),
    }, `${across}:${down}`));
    place.after(page.element("div", { id: "aspect_ratio", role: "group", "aria-label": "Shape" },
      page.element("span", { class: "dk-second" }, "Shape"), ...buttons));
  }

  page.ready(draw);
  // The page draws a tab's contents anew.
  page.on("tab", draw);
})();
