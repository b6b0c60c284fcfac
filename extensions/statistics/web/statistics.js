// The Statistics tab: asks for the counts whenever it is opened, and draws them as bars.
(() => {
  const page = window.darkroom.extend;
  const { element } = page;

  // Bars of days stand; there is one for each, so that a gap is seen.
  function days(rows) {
    const most = Math.max(1, ...rows.map(([, number]) => number));
    return element("div", { class: "st-days", role: "img", "aria-label": rows.map(([day, n]) => `${day}: ${n}`).join(", ") },
      ...rows.map(([day, number]) => element("i", { title: `${day}: ${number}`, style: `height:${(100 * number) / most}%` })));
  }

  function bars(rows) {
    const most = Math.max(1, ...rows.map(([, number]) => number));
    return element("div", { class: "st-bars" }, ...rows.flatMap(([name, number]) => [
      element("span", { title: name }, name), element("i", { style: `width:${(100 * number) / most}%` }), element("b", {}, String(number)),
    ]));
  }

  const part = (title, drawn) => element("section", {}, element("h2", {}, title), drawn);

  async function draw() {
    const place = document.getElementById("statistics");
    if (!place) return;
    try {
      const counts = await page.api("GET", "x/statistics/counts");
      const said = counts.pictures === 1 ? "1 picture" : `${counts.pictures} pictures`;
      place.replaceChildren(element("p", { class: "dk-second" }, counts.pictures ? said : "No picture was made yet."));
      if (!counts.pictures) return;
      place.append(part("The last 30 days", days(counts.days)), element("div", { class: "st-kinds" },
        part("Samplers", bars(counts.sampler)), part("Models", bars(counts.model)), part("Sizes", bars(counts.size))));
    } catch (problem) {
      place.replaceChildren(element("p", { class: "dk-problem" }, problem.message));
    }
  }

  page.on("tab", (id) => { if (id === "tab_statistics") draw(); });
})();
