// Scripts of extensions: the one that Generate starts with the form, where one is chosen, as in A1111's list.
(() => {
  const D = window.darkroom;
  const { t, byId } = D;
  let chosen = "";

  const rows = () => D.boot?.scripts || [];
  const find = () => rows().find(({ name }) => name === chosen);

  function choose(title) {
    chosen = rows().find((row) => row.title === title)?.name || "";
    const panel = D.panels.all().find(({ name }) => name === find()?.extension);
    // What it does is set there.
    if (panel) D.panels.reveal(panel.rows[0].name);
  }

  // Gradio draws a tab's contents anew; ours are the same.
  let list = null;
  function draw() {
    const place = document.querySelector("#txt2img_script_container .dk-panels");
    if (!place || !rows().length || byId("script_list")) return;
    const none = t("script_none");
    list ||= D.fields.control({ kind: "choice", label: t("script"), help: t("script_help"), choices: [none, ...rows().map(({ title }) => title)] },
      "script_list", choose);
    list.set(find()?.title || none);
    place.after(list.node);
  }

  // Where a request is sent to, and one that was made before to be made again.
  const path = () => (find() ? `scripts/${chosen}` : "jobs");
  const pathOf = (job) => (job.task === "script" ? `scripts/${job.request.script}` : "jobs");
  const requestOf = ({ request: { script, script_pictures, ...request } }) => request;

  D.on("start", draw);
  D.on("tab", draw);
  D.scripts = { path, pathOf, requestOf };
})();
