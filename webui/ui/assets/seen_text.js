// Small pure tools for showing prompts: which encoders are told the same, a text's beginning, a network's name changed.
(() => {
  const D = window.darkroom;

  // Encoders whose chunks are of the same sizes, in one row with all their names.
  function rows(encoders) {
    const found = new Map();
    for (const { name, chunks, left } of encoders) {
      const key = `${left} ${chunks.map(({ tokens, room }) => `${tokens}/${room}`)}`;
      if (found.has(key)) found.get(key).names.push(name);
      else found.set(key, { names: [name], chunks, left });
    }
    return [...found.values()];
  }

  // The beginning of a text, cut at a word.
  function beginning(text, most) {
    if (text.length <= most) return text;
    const cut = text.slice(0, most), blank = cut.lastIndexOf(" ");
    return `${cut.slice(0, blank > most / 2 ? blank : most)}…`;
  }

  // <type:old…> as <type:name…>, wherever it stands in the prompt; null where it does not.
  function renamed(prompt, type, old, name) {
    const start = `<${type}:`;
    const isName = (from) => prompt.startsWith(old, from) && [":", ">"].includes(prompt[from + old.length]);
    let at = prompt.indexOf(start), made = "", done = 0;
    for (; at >= 0; at = prompt.indexOf(start, at + 1)) {
      const from = at + start.length;
      if (!isName(from)) continue;
      made += prompt.slice(done, from) + name;
      done = from + old.length;
    }
    return done ? made + prompt.slice(done) : null;
  }

  D.seenText = { rows, beginning, renamed };
})();
