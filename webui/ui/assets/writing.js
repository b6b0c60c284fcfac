// Writing into the prompt boxes as if it had been typed, so that the browser's own undo takes it back; A1111's keys there.
(() => {
  const D = window.darkroom;
  const BOXES = "#txt2img_prompt textarea, #txt2img_neg_prompt textarea";

  // The box's text becomes this one, with this selection. Only what differs is replaced.
  function write(box, { text, start, end }) {
    const old = box.value;
    const most = Math.min(old.length, text.length);
    let before = 0, behind = 0;
    while (before < most && old[before] === text[before]) before += 1;
    while (behind < most - before && old[old.length - 1 - behind] === text[text.length - 1 - behind]) behind += 1;
    if (old !== text) {
      box.focus();
      box.setSelectionRange(before, old.length - behind);
      const fresh = text.slice(before, text.length - behind);
      // There is no other way that the browser can undo; where it is switched off, the text is set.
      if (!document.execCommand(fresh ? "insertText" : "delete", false, fresh)) {
        box.value = text;
        box.dispatchEvent(new Event("input", { bubbles: true }));
      }
    }
    box.setSelectionRange(start, end);
  }

  const read = (box) => ({ text: box.value, start: box.selectionStart, end: box.selectionEnd });

  function press(event) {
    const box = event.target;
    if (!box.matches?.(BOXES) || event.isComposing) return;
    const rules = D.shell.state.settings;
    const weighs = (event.ctrlKey || event.metaKey) && !event.altKey && ["ArrowUp", "ArrowDown"].includes(event.key);
    const moves = event.altKey && !event.ctrlKey && !event.metaKey && ["ArrowLeft", "ArrowRight"].includes(event.key);
    if (!rules || !(weighs || (moves && rules.keyedit_move))) return;
    event.preventDefault();
    const now = weighs ? D.weights.weigh(read(box), event.key === "ArrowUp", rules) : D.weights.move(read(box), event.key === "ArrowLeft");
    if (now) write(box, now);
  }

  document.addEventListener("keydown", press);
  D.writing = { BOXES, read, write };
})();
