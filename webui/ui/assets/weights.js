// A1111's keys in a prompt as pure functions: a word's weight up or down, an element before or behind its neighbour.
(() => {
  const D = window.darkroom;
  const WHITESPACE = { Tab: "\t", "Carriage Return": "\r", "Line Feed": "\n" };
  const PAIRS = [["<", ">"], ["(", ")"], ["[", "]"]];
  // What a bracket without a number multiplies by.
  const OF_BRACKET = { "(": 1.1, "[": 1 / 1.1 };
  const WEIGHT = /:\s*[+-]?(\d+\.?\d*|\.\d+)\s*$/;
  const NETWORK = /^\w+:/;

  // Where a word ends whatever the settings say: at what schedules and alternation are written with.
  const STRUCTURE = "[]|:";
  const NUMBER = /^\s*[+-]?(\d+\.?\d*|\.\d+)\s*$/;

  // The same, as long, without the brackets that are written with a backslash and so are letters.
  const bare = (text) => text.replace(/\\[()[\]\\]/g, "--");

  // The selection, or what it stands for: the words of the innermost bracket that the cursor is in, else its word.
  function chosen({ text, start, end }, delimiters) {
    if (start !== end) return { start, end };
    const [inner] = PAIRS.map(([open, close]) => inside(text, start, open, close)).filter(Boolean).sort((one, other) => other.from - one.from);
    return inner && "start" in inner ? inner : word(text, start, delimiters);
  }

  // from: where the bracket opens. Without start and end the word in it is meant. Null where the cursor is in none.
  function inside(text, at, open, close) {
    const plain = bare(text);
    const from = plain.lastIndexOf(open, at - 1), to = plain.indexOf(close, at);
    if (at === 0 || from < 0 || to < 0) return null;
    const closed = plain.lastIndexOf(close, at - 1), opened = plain.indexOf(open, at);
    if (closed > from || (opened >= 0 && opened < to)) return null;
    const content = plain.slice(from + 1, to);
    const part = (begin, end) => ({ from, start: from + 1 + begin, end: from + 1 + end });
    if (open === "<") return !NETWORK.test(content) ? null : network(content, part, at);
    if (open === "[" && /[:|]/.test(content)) return scheduled(content, at - from - 1, part, from);
    if (WEIGHT.test(content)) return part(0, content.lastIndexOf(":"));
    return content.includes(":") || !content.trim() ? { from } : part(0, content.length);
  }

  // A network without a weight has that of 1. What else is said in one are no words of the prompt.
  function network(content, part, at) {
    if (WEIGHT.test(content)) return part(0, content.lastIndexOf(":"));
    return content.split(":").length === 2 ? part(0, content.length) : { ...part(0, 0), start: at, end: at };
  }

  // A schedule or an alternation is no emphasis: the word is meant, and at the number the text before it.
  function scheduled(content, at, part, from) {
    const marks = colons(content), last = marks.at(-1);
    if (last === undefined || at <= last || !NUMBER.test(content.slice(last + 1))) return { from };
    return part(marks.length > 1 ? marks.at(-2) + 1 : 0, last);
  }

  // Where those stand that are in no further bracket.
  function colons(content) {
    const found = [];
    let depth = 0;
    for (const [at, letter] of content.split("").entries()) {
      if ("([".includes(letter)) depth += 1;
      if (")]".includes(letter)) depth -= 1;
      if (letter === ":" && depth === 0) found.push(at);
    }
    return found;
  }

  function word(text, at, delimiters) {
    let start = at, end = at;
    while (start > 0 && !delimiters.includes(text[start - 1])) start -= 1;
    while (end < text.length && !delimiters.includes(text[end])) end += 1;
    while (start < end && text[start] === " ") start += 1;
    while (end > start && text[end - 1] === " ") end -= 1;
    return { start, end };
  }

  // Brackets without numbers, ((word)), as one with the weight that they mean; a selection without one gets it.
  function bracketed(text, start, end, precision) {
    const plain = bare(text), before = plain[start - 1], after = plain[end];
    if ((before === "(" && after === ")") || (before === "[" && after === "]")) {
      let count = 0;
      while (plain[start - count - 1] === before && plain[end + count] === after) count += 1;
      const weight = Math.round(OF_BRACKET[before] ** count / precision) * precision;
      const made = `(${text.slice(start, end)}:${weight})`;
      return { text: text.slice(0, start - count) + made + text.slice(end + count), start: start - count + 1, end: end - count + 1 };
    }
    const close = plain.indexOf(")", end);
    if (before === "(" && after === ":" && NUMBER.test(text.slice(end + 1, close < 0 ? end : close))) return { text, start, end };
    while (end > start && text[end - 1] === " ") end -= 1;
    if (start === end) return null;
    return { text: `${text.slice(0, start)}(${text.slice(start, end)}:1.0)${text.slice(end)}`, start: start + 1, end: end + 1 };
  }

  // The text with that weight a step up or down, and the selection round its words; null where there is none to change.
  // rules: A1111's settings by their names.
  function weigh(was, up, rules) {
    const delimiters = STRUCTURE + rules.keyedit_delimiters + rules.keyedit_delimiters_whitespace.map((name) => WHITESPACE[name] || "").join("");
    const { start: from, end: to } = chosen(was, delimiters);
    if (from === to) return null;
    const isNetwork = was.text[from - 1] === "<";
    let now = isNetwork ? { text: was.text, start: from, end: to } : bracketed(was.text, from, to, rules.keyedit_precision_attention);
    if (now && isNetwork && now.text[to] === ">") now = { ...now, text: `${now.text.slice(0, to)}:1.0${now.text.slice(to)}` };
    if (!now || now.text[now.end] !== ":") return null;
    const { text, start, end } = now;
    const close = text.indexOf(isNetwork ? ">" : ")", end + 1);
    const weight = parseFloat(text.slice(end + 1, close));
    if (close < 0 || Number.isNaN(weight)) return null;
    const step = isNetwork ? rules.keyedit_precision_extra : rules.keyedit_precision_attention;
    // Sums of tenths have long tails.
    const next = parseFloat((weight + (up ? step : -step)).toPrecision(12));
    if (!isNetwork && next === 1) return { text: text.slice(0, start - 1) + text.slice(start, end) + text.slice(close + 1), start: start - 1, end: end - 1 };
    return { text: text.slice(0, end + 1) + (Number.isInteger(next) ? `${next}.0` : next) + text.slice(close), start, end };
  }

  const commas = (text) => text.split(",").length - 1;

  // What stands between two commas, or all that is selected in part, changes places with its neighbour. Blanks stay.
  function move({ text, start, end }, left) {
    const items = text.split(",").map((item) => item.match(/^(\s*)([\s\S]*?)(\s*)$/).slice(1));
    const first = commas(text.slice(0, start)), last = commas(text.slice(0, end));
    const to = left ? first - 1 : last + 1;
    if (to < 0 || to >= items.length) return null;
    const words = items.map(([, inner]) => inner);
    const moved = words.splice(first, last - first + 1);
    const place = left ? first - 1 : first + 1;
    words.splice(place, 0, ...moved);
    const made = items.map(([before, , after], at) => before + words[at] + after);
    const begin = place ? made.slice(0, place).join().length + 1 : 0;
    const whole = made.slice(place, place + moved.length).join();
    const blank = whole.length - whole.trimStart().length;
    return { text: made.join(), start: begin + blank, end: begin + whole.trimEnd().length };
  }

  D.weights = { weigh, move };
})();
