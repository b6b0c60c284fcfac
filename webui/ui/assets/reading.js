// A picture that is dropped on a form, or pasted into it: what its file says of how it was made becomes the values.
(() => {
  const D = window.darkroom;
  const { t } = D;

  const taskOf = (node) => node?.closest?.("#tab_txt2img") && "txt2img";
  const pictureIn = (data) => [...(data?.files || [])].find((file) => file.type.startsWith("image/"));

  async function read(task, file) {
    try {
      const answer = await D.api("POST", "pictures/read", file);
      for (const problem of answer.problems) D.shell.notice(problem);
      if (!answer.reader) {
        if (!answer.problems.length) D.shell.notice(t("picture_none"));
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
      read(task, file);
    });
  }
})();
