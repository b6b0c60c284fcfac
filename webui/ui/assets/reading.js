// A picture that is dropped on a form, or pasted into it: what its file says of how it was made becomes the values; on
// the PNG Info tab it is shown.
(() => {
  const D = window.darkroom;
  const { t } = D;

  // A form, or the tab that only shows what is read, which takes what is pasted anywhere.
  function taskOf(node) {
    if (node?.closest?.("#tab_txt2img")) return "txt2img";
    return D.shell.state.tab === "tab_pnginfo" ? "pnginfo" : null;
  }
  const pictureIn = (data) => [...(data?.files || [])].find((file) => file.type.startsWith("image/"));

  async function read(task, file) {
    try {
      const answer = await D.api("POST", "pictures/read", file);
      for (const problem of answer.problems) D.shell.notice(problem);
      if (!answer.reader) {
        const ask = { text: t("interrogate"), call: () => D.captions.ofFile(file) };
        if (!answer.problems.length) D.shell.notice(t("picture_none"), "", ask);
        return;
      }
      D.form.use(task, answer);
    } catch (problem) {
      D.problems.report(problem);
    }
  }

  document.addEventListener("dragover", (event) => {
    // Without this the browser opens the file in place of the page.
    if (taskOf(event.target) && [...event.dataTransfer.types].includes("Files")) event.preventDefault();
  });
  for (const [kind, from] of [["drop", (event) => event.dataTransfer], ["paste", (event) => event.clipboardData]]) {
    document.addEventListener(kind, (event) => {
      const task = taskOf(event.target);
      const file = task && pictureIn(from(event));
      if (!file) return;
      event.preventDefault();
      if (task === "pnginfo") D.pngInfo.show(file);
      else read(task, file);
    });
  }
})();
