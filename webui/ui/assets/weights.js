// A1111's keys in a prompt as pure functions: a word's weight up or down, an element before or behind its neighbour.
(() => {
  const D = window.darkroom;
  const WHITESPACE = { Tab: "\t", "Carriage Return": "\r", "Line Feed": "\n" };
  const CLOSING = { "(": ")", "[": "]" };
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
    return network(text, start) || inside(text, start) || word(text, start, delimiters);
  }

  // The words of an extra network that the cursor is in, or null. One without a weight has that of 1; what else is said
  // in one are no words of the prompt.
  function network(text, at) {
    const from = at && text.lastIndexOf("<", at - 1), to = text.indexOf(">", at);
    if (at === 0 || from < 0 || to < 0 || /[<>]/.test(text.slice(from + 1, to))) return null;
    const content = text.slice(from + 1, to);
    if (!NETWORK.test(content)) return null;
    if (WEIGHT.test(content)) return { start: from + 1, end: from + 1 + content.lastIndexOf(":") };
    return content.split(":").length === 2 ? { start: from + 1, end: to } : { start: at, end: at };
  }

  // The words of the innermost ( ) or [ ] that the cursor is in; null where its word is meant.
  function inside(text, at) {
    // The brackets and colons of networks are their own.
    const plain = bare(text).replace(/<\w+:[^<>]*>/g, (one) => "-".repeat(one.length));
    const from = opening(plain, at), to = from < 0 ? -1 : closing(plain, from, at);
    if (to < 0) return null;
    const content = plain.slice(from + 1, to), marks = tops(content, ":"), end = marks.at(-1);
    const part = ([begin, until]) => ({ start: from + 1 + begin, end: from + 1 + until });
    if (!content.trim()) return null;
    if (plain[from] === "[" && (marks.length || tops(content, "|").length)) {
      // A schedule or an alternation is no emphasis: the word is meant, and at the number the text before it.
      if (end === undefined || at - from - 1 <= end || !NUMBER.test(content.slice(end + 1))) return null;
      const pieces = [-1, ...marks].slice(0, -1).map((mark, place) => [mark + 1, marks[place]]);
      const last = pieces.filter(([begin, until]) => content.slice(begin, until).trim()).at(-1);
      return last ? part(within(content, last)) : null;
    }
    if (plain[from] === "(" && end !== undefined) return NUMBER.test(content.slice(end + 1)) ? part([0, end]) : null;
    return part([0, content.length]);
  }

  // Where the innermost bracket opens that is open there, or -1.
  function opening(plain, at) {
    const open = [];
    for (let place = 0; place < at; place += 1) {
      if (plain[place] in CLOSING) open.push(place);
      else if (CLOSING[plain[open.at(-1)]] === plain[place]) open.pop();
    }
    return open.at(-1) ?? -1;
  }

  // Where it is closed, or -1.
  function closing(plain, from, at) {
    const open = [from];
    for (let place = at; place < plain.length; place += 1) {
      if (plain[place] in CLOSING) open.push(place);
      else if (CLOSING[plain[open.at(-1)]] === plain[place]) open.pop();
      if (!open.length) return place;
    }
    return -1;
  }

  // Where this sign stands in no further bracket.
  function tops(content, sign) {
    const found = [];
    let depth = 0;
    for (let place = 0; place < content.length; place += 1) {
      if ("([".includes(content[place])) depth += 1;
      else if (")]".includes(content[place])) depth -= 1;
      else if (content[place] === sign && depth === 0) found.push(place);
    }
    return found;
  }

  // The words of a piece that is one ( ) with a weight; else the piece.
  function within(content, [begin, end]) {
    const piece = content.slice(begin, end), inner = piece.slice(1, -1), mark = tops(inner, ":").at(-1);
    const isOne = piece[0] === "(" && closing(piece, 0, 1) === piece.length - 1;
    return isOne && mark !== undefined && NUMBER.test(inner.slice(mark + 1)) ? [begin + 1, begin + 1 + mark] : [begin, end];
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
