// What a press of a card puts into a prompt and takes out again, as A1111 does it: pure functions of texts.
(() => {
  const D = window.darkroom;
  const SEPARATOR = " ";
  const TAG = /<(\w+):([^:>]+)[^>]*>/g;
  const KINDS = ["lora", "lyco"];

  const same = (one, other) => one.trim().toLowerCase() === other.trim().toLowerCase();

  // Where the prompt names this LoRA, whatever its weights are: [from, to) of each.
  const tags = (text, name) => [...text.matchAll(TAG)]
    .filter(([, kind, called]) => KINDS.includes(kind.toLowerCase()) && same(called, name))
    .map((found) => [found.index, found.index + found[0].length]);

  // Where a word stands by itself, as no part of another one.
  function words(text, word) {
    const found = [], mark = /[\p{L}\p{N}_-]/u;
    const lower = text.toLowerCase(), wanted = word.toLowerCase();
    for (let at = lower.indexOf(wanted); at >= 0 && wanted; at = lower.indexOf(wanted, at + 1)) {
      if (!mark.test(text[at - 1] || "") && !mark.test(text[at + wanted.length] || "")) found.push([at, at + wanted.length]);
    }
    return found;
  }

  // The text without these places. What stood behind each goes with it, and one separator before.
  function without(text, places, behind = "") {
    let made = text;
    for (const [from, to] of [...places].reverse()) {
      const rest = made.slice(to);
      const tail = behind && rest.startsWith(behind) ? rest.slice(behind.length) : rest;
      const before = made.slice(0, from).replace(/ $/, "");
      // Of two commas one is left, and none at the beginning.
      made = before + (/(^|,)\s*$/.test(before) ? tail.replace(/^\s*,/, "") : tail);
    }
    return made.replace(/^ +/, "");
  }

  const added = (text, more) => (text.trim() ? `${text.trimEnd()}${SEPARATOR}${more}` : more);

  // What a card asks for: {kind, name, weight, words}; words go with a LoRA, an embedding is its name.
  function has(text, { kind, name }) {
    return (kind === "lora" ? tags(text, name) : words(text, name)).length > 0;
  }

  const written = ({ kind, name, weight, words: more }) => (kind === "lora" ? [`<lora:${name}:${weight || 1}>`, more].filter(Boolean).join(SEPARATOR) : name);

  function toggle(text, asked) {
    const { kind, name, words: more } = asked;
    const there = kind === "lora" ? tags(text, name) : words(text, name);
    return there.length ? without(text, there, kind === "lora" && more ? SEPARATOR + more : "") : added(text, written(asked));
  }

  // The words for the negative prompt come and go with the card.
  function toggleWords(text, more, on) {
    if (!more) return text;
    const at = text.indexOf(more);
    if (on) return at < 0 ? added(text, more) : text;
    return at < 0 ? text : without(text, [[at, at + more.length]]);
  }

  D.insertion = { has, written, toggle, toggleWords };
})();
