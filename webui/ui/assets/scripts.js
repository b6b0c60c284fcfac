// Scripts of extensions: the one that Generate starts with the form, where one is chosen, as in A1111's list.
(() => {
  const D = window.darkroom;
  const { t, byId } = D;
  let rows = [];
  let chosen = "";

  const find = () => rows.find(({ name }) => name === chosen);

  // Those that this person may start.
  async function learn() {
    try {
      ({ scripts: rows } = await D.api("GET", "scripts"));
      rows = rows.map((row) => ({ ...row, title: D.words(row.extension).scripts?.[row.name] ?? row.title }));
    } catch (problem) {
      D.problems.report(problem);
    }
    draw();
  }

  function choose(name) {
    chosen = name;
    const panel = D.panels.all().find(({ name }) => name === find()?.extension);
    // What it does is set there.
    if (panel) D.panels.reveal(panel.rows[0].name);
  }

  // Gradio draws a tab's contents anew; ours are the same.
  let list = null;
  function draw() {
    const place = document.querySelector("#txt2img_script_container .dk-panels");
    if (!place || !rows.length || byId("script_list")) return;
    const choices = [["", t("script_none")], ...rows.map(({ name, title }) => [name, title])];
    list ||= D.fields.control({ kind: "choice", label: t("script"), help: t("script_help"), choices }, "script_list", choose);
    list.set(chosen);
    place.after(list.node);
  }

  // Where a request is sent to, and one that was made before to be made again.
  const pathTo = (name) => `scripts/${encodeURIComponent(name)}`;
  const path = () => (find() ? pathTo(chosen) : "jobs");
  const pathOf = (job) => (job.task === "script" ? pathTo(job.request.script) : "jobs");
  const requestOf = ({ request: { script, script_pictures, ...request } }) => request;

  D.on("start", learn);
  D.on("tab", draw);
  D.scripts = { path, pathOf, requestOf };
})();
