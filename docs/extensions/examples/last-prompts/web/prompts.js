// Fills the tab whenever it is opened; a prompt that is pressed goes into the form.
(() => {
  const page = window.darkroom.extend;

  async function draw() {
    const place = document.getElementById("last_prompts");
    const { prompts } = await page.api("GET", "x/last-prompts/prompts");
    const use = (prompt) => { page.set({ prompt }); page.notice("The prompt is in the form."); };
    place.replaceChildren(...prompts.map((prompt) =>
      page.element("p", {}, page.element("button", { class: "dk-link", onclick: () => use(prompt) }, prompt))));
  }

  page.on("tab", (id) => { if (id === "tab_last_prompts") draw(); });
})();
