// Suggestions under the prompt box while one types: from the page itself and from extensions, in one list.
(() => {
  const D = window.darkroom;
  const { t, el } = D;
  const ID = "dk_suggestions";
  const REST = 100;
  const LEAST = 2;
  const MOST = 10;
  const MARKS = [",", "\n", "(", "[", "{", "|", "<", ">", ")"];
  const EDGE = 8;
  const MOVES = ["ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown"];
  // Each is asked (what is typed, where in the text): a list of {label, note, from, to} with {insert} or {take}, and
  // {unsure} for what is taken only once it was gone to.
  const sources = [];
  let list = null;
  let box = null;
  let chosen = 0;
  let found = [];
  let asked = 0;
  // Where the cursor was when what is shown was asked, and the text behind it; more may have been typed since.
  let cursor = 0;
  let behind = "";

  // The words that are being typed: [from, to) in the text. Brackets and weights round them are not theirs.
  function span({ text, end }) {
    const before = text.slice(0, end);
    const start = Math.max(...MARKS.map((mark) => before.lastIndexOf(mark))) + 1;
    const blank = before.slice(start).length - before.slice(start).trimStart().length;
    return [start + blank, end];
  }

  // A source of an extension is told the words alone; what it suggests takes their place, with a comma behind.
  function add(find) {
    sources.push(async (where) => {
      // Where a network or a wildcard is written, nothing else is.
      if (D.names.context(where).kind) return [];
      const [from, to] = span(where);
      const typed = where.text.slice(from, to).trim();
      if (typed.length < LEAST) return [];
      const comma = /^\s*,/.test(where.text.slice(to)) ? "" : ", ";
      return (await find(typed)).map(({ label, insert, note }) => ({ label, note, from, to, insert: insert + comma }));
    });
  }

  function close() {
    look.call += 1;
    asked += 1;
    found = [];
    if (list) list.hidden = true;
    for (const name of ["aria-activedescendant", "aria-controls"]) box?.removeAttribute(name);
  }

  async function ask(call) {
    if (call !== look.call || document.activeElement !== box) return;
    const where = D.writing.read(box);
    if (where.start !== where.end) { close(); return; }
    const mine = (asked += 1);
    const answers = await Promise.all(sources.map((source) => Promise.resolve(source(where)).catch(() => [])));
    if (mine !== asked || document.activeElement !== box) return;
    cursor = where.end;
    behind = where.text.slice(where.end);
    if (!isThere()) { close(); return; }
    const written = ({ label, from, to }) => label.toLowerCase() === where.text.slice(from, to).trim().toLowerCase();
    found = answers.flat().filter((one) => !written(one)).slice(0, MOST);
    if (!found.length) { close(); return; }
    // Nothing is chosen beforehand where what is typed may be but a word.
    chosen = found.findIndex(({ unsure }) => !unsure);
    draw();
  }

  const rest = D.later(ask, REST);
  const look = () => rest((look.call += 1));
  look.call = 0;

  function draw() {
    list ||= document.querySelector(".gradio-container").appendChild(el("ul", { id: ID, role: "listbox", "aria-label": t("suggestions") }));
    list.replaceChildren(...found.map(({ label, note }, place) => el("li", {
      id: `${ID}_${place}`, role: "option", "aria-selected": String(place === chosen),
      // Before the box loses the focus.
      onpointerdown: (event) => { event.preventDefault(); take(place); },
    }, el("span", {}, label), note ? el("small", {}, note) : null)));
    const { left, bottom, width } = box.getBoundingClientRect();
    const room = Math.min(width, 420, document.documentElement.clientWidth - left - EDGE);
    list.style.cssText = `left:${left}px;top:${bottom + 2}px;max-width:${room}px`;
    list.hidden = false;
    list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
    box.setAttribute("aria-controls", ID);
    box.setAttribute("aria-autocomplete", "list");
    if (chosen >= 0) box.setAttribute("aria-activedescendant", `${ID}_${chosen}`);
    else box.removeAttribute("aria-activedescendant");
  }

  // Whether the cursor stands where it was asked for, or behind what was typed since.
  function isThere() {
    const { text, start, end } = D.writing.read(box);
    return start === end && end >= cursor && text.slice(end) === behind;
  }

  function take(place) {
    if (!isThere()) { close(); return; }
    const { from, to, insert = "", take: call } = found[place];
    const { text, end } = D.writing.read(box);
    const at = from + insert.length;
    D.writing.write(box, { text: text.slice(0, from) + insert + text.slice(to + end - cursor), start: at, end: at });
    close();
    call?.();
  }

  document.addEventListener("input", ({ target }) => {
    if (!target.matches?.(D.writing.BOXES)) return;
    box = target;
    look();
  });
  document.addEventListener("keydown", (event) => {
    if (!found.length || event.target !== box || event.isComposing) return;
    const free = !event.ctrlKey && !event.metaKey, isChosen = chosen >= 0;
    const move = free && { ArrowDown: 1, ArrowUp: isChosen && -1 }[event.key];
    const takes = isChosen && free && !event.altKey && !event.shiftKey && ["Tab", "Enter"].includes(event.key);
    if (move) chosen = isChosen ? (chosen + move + found.length) % found.length : 0;
    else if (takes) take(chosen);
    else if (event.key === "Escape") close();
    else {
      // Where the cursor goes elsewhere, the list is no longer about what stands at it.
      if (MOVES.includes(event.key) || (!isChosen && ["Tab", "Enter", "ArrowUp"].includes(event.key))) close();
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    if (move) draw();
  }, true);
  document.addEventListener("pointerdown", ({ target }) => { if (target === box) close(); });
  document.addEventListener("focusout", ({ target }) => { if (target === box) close(); });
  addEventListener("scroll", ({ target }) => { if (target === document) close(); }, { passive: true });
  D.suggest = { sources, add, span, LEAST };
})();
