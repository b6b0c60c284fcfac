// What scripts of extensions (web/*.js) may count on: window.darkroom.extend, version 1 of the contract.
(() => {
  const D = window.darkroom;

  // One script's mistake is its own.
  const safely = (call) => (...values) => {
    try {
      call(...values);
    } catch (error) {
      console.error(error);
    }
  };

  D.extend = {
    version: "1",
    // Called once the page is drawn and knows who is there.
    ready: (call) => D.on("start", safely(call)),
    // "form" (task, values), "tab" (id), "jobs" (), "ended" (job): see docs/extensions.md.
    on: (name, call) => D.on(name, safely(call)),
    // An answer of our own API below /api/v1/; throws Error with the server's sentence as its message.
    api: (method, path, body) => D.api(method, path, body),
    // An element; children are nodes or texts, and texts never become markup.
    element: D.el,
    // The values of a task's form, by the fields' names, and how they are changed.
    values: (task = "txt2img") => ({ ...D.form.valuesOf(task) }),
    set: (values, task = "txt2img") => D.form.fill(task, values),
    // The value of an extension's own field, which stands in its panel, and how several are changed.
    option: (extension, field) => D.panels.value(`extensions.${extension}.${field}`),
    setOptions: (extension, values) =>
      D.panels.set(Object.fromEntries(Object.entries(values).map(([field, value]) => [`extensions.${extension}.${field}`, value]))),
    // More to choose from while one types in a prompt: find(words) answers, perhaps later, with a list of
    // {label, insert, note}; insert takes the words' place.
    suggest: (find) => D.suggest.add(find),
    // A sentence at the foot of the page; kind is "" or "err".
    notice: (text, kind = "") => D.shell.notice(text, kind),
  };
})();
