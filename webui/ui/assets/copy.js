// Copying: the browser's clipboard where it is offered (https and loopback addresses only), else the older ways.
(() => {
  const D = window.darkroom;
  const { t, el, byId } = D;

  async function copy(text) {
    if (await write(text) || command(text)) D.shell.notice(t("copied"));
    else offer(text);
  }

  async function write(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return false;
    }
  }

  // What was copied before there was a clipboard to write to: the selection of a field.
  function command(text) {
    const before = document.activeElement;
    const field = el("textarea", { class: "dk-sr", readonly: true, "aria-hidden": "true" });
    field.value = text;
    document.querySelector(".gradio-container").append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    before?.focus?.();
    return done;
  }

  // The last way is the reader's own hand.
  function offer(text) {
    byId("dk_copy")?.remove();
    const field = el("textarea", { readonly: true, rows: "8", "aria-labelledby": "dk_copy_text" });
    field.value = text;
    const dialog = el("dialog", { id: "dk_copy", "aria-labelledby": "dk_copy_text" },
      el("p", { id: "dk_copy_text" }, t("copy_by_hand")), field,
      el("button", { type: "button", class: "dk-button", onclick: () => dialog.close() }, t("close")));
    document.querySelector(".gradio-container").append(dialog);
    dialog.showModal();
    field.select();
  }

  D.copy = copy;
})();
