// Suggestions under the prompt: for the words since the last comma, asked of the server once the typing rests.
(() => {
  const page = window.darkroom.extend;
  const { element } = page;
  const BOXES = "#txt2img_prompt textarea, #txt2img_neg_prompt textarea";
  const LEAST = 2;
  const ID = "tag_completion";
  let list = null;
  let box = null;
  let chosen = 0;
  let found = [];
  let asked = 0;
  let timer = 0;

  // The words that are being typed: [from, to) in the box's text. Brackets and weights round them are not theirs.
  function span() {
    const end = box.selectionStart;
    const before = box.value.slice(0, end);
    const start = Math.max(...[",", "\n", "(", "[", "{", "|", "<", ">", ")"].map((mark) => before.lastIndexOf(mark))) + 1;
    const blank = before.slice(start).length - before.slice(start).trimStart().length;
    return [start + blank, end];
  }

  function close() {
    clearTimeout(timer);
    asked += 1;
    found = [];
    if (list) list.hidden = true;
    box?.removeAttribute("aria-activedescendant");
    box?.setAttribute("aria-expanded", "false");
  }

  async function look() {
    const [start, end] = span();
    const typed = box.value.slice(start, end).trim();
    if (typed.length < LEAST || box.selectionStart !== box.selectionEnd) { close(); return; }
    const mine = (asked += 1);
    const answer = await page.api("GET", `x/tag-completion/tags?q=${encodeURIComponent(typed)}`).catch(() => null);
    if (mine !== asked || document.activeElement !== box) return;
    found = (answer?.tags || []).filter(({ name }) => name.toLowerCase() !== typed.toLowerCase());
    if (!found.length) { close(); return; }
    chosen = 0;
    draw();
  }

  function draw() {
    list ||= document.body.appendChild(element("ul", { id: ID, role: "listbox", "aria-label": "Tags" }));
    list.replaceChildren(...found.map(({ name, alias, uses, kind }, place) => element("li", {
      id: `${ID}_${place}`, role: "option", "aria-selected": String(place === chosen), "data-kind": kind,
      // Before the box loses the focus.
      onpointerdown: (event) => { event.preventDefault(); take(place); },
    }, element("span", {}, alias ? `${alias} → ${name}` : name), uses ? element("small", {}, uses.toLocaleString()) : null)));
    const { left, bottom, width } = box.getBoundingClientRect();
    list.style.cssText = `left:${left}px;top:${bottom + 2}px;max-width:${Math.min(width, 420)}px`;
    list.hidden = false;
    box.setAttribute("aria-controls", ID);
    box.setAttribute("aria-expanded", "true");
    box.setAttribute("aria-activedescendant", `${ID}_${chosen}`);
  }

  function take(place) {
    const [start, end] = span();
    // What brackets mean in a prompt they shall not mean in a tag's name.
    const name = found[place].name.replace(/[()[\]]/g, "\\$&");
    const after = box.value.slice(end);
    const comma = /^\s*,/.test(after) ? "" : ", ";
    // Through the browser's own undo, where it has one.
    box.setSelectionRange(start, end);
    if (!document.execCommand("insertText", false, name + comma)) {
      box.setRangeText(name + comma, start, end, "end");
      box.dispatchEvent(new Event("input", { bubbles: true }));
    }
    close();
  }

  document.addEventListener("input", ({ target }) => {
    if (!target.matches?.(BOXES)) return;
    box = target;
    clearTimeout(timer);
    timer = setTimeout(look, 100);
  });
  document.addEventListener("keydown", (event) => {
    if (!found.length || event.target !== box || event.isComposing) return;
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (move && !event.ctrlKey) chosen = (chosen + move + found.length) % found.length;
    else if ((event.key === "Tab" || event.key === "Enter") && !event.ctrlKey && !event.shiftKey) take(chosen);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (move) draw();
  }, true);
  document.addEventListener("focusout", ({ target }) => { if (target === box) close(); });
  addEventListener("scroll", close, { passive: true });
})();
