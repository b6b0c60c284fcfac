// The page's own suggestions: names of LoRAs, embeddings, wildcards and styles, asked of the server.
(() => {
  const D = window.darkroom;
  const { t } = D;
  const TASK = "txt2img";
  // Beside tags, so that those have room.
  const AMONG = 4;
  const ALONE = 8;
  // Letters that the server searches for, and those of a word within a sentence that may be a name.
  const LONGEST = 200;
  const SURE = 3;
  const KINDS = { lora: "kind_lora", embedding: "kind_embedding", wildcard: "wildcard", style: "style_choose" };

  // What is being typed at the cursor: a network's tag, a wildcard, or words that may be any name.
  function context({ text, end }) {
    const before = text.slice(0, end);
    const tag = before.match(/<(?:(?:lora|lyco):)?([^<>:,]*)$/i);
    if (tag) {
      // What stands behind the cursor of a tag that is there already stays, its weights among it.
      const [, rest, weights] = text.slice(end).match(/^([^<>:,\n]*)(:[^<>\n]*)?>/) || ["", "", null, ""];
      const closed = /^[^<>:,\n]*(:[^<>\n]*)?>/.test(text.slice(end));
      return { kind: "lora", typed: tag[1].trim(), from: end - tag[0].length, to: closed ? end + (rest || "").length + (weights || "").length + 1 : end, weights: closed ? weights : undefined };
    }
    const wildcard = before.match(/(?:^|[^\w])__([\w\-/.*]*)$/);
    if (wildcard && !wildcard[1].endsWith("__")) {
      const behind = text.slice(end).match(/^[\w\-/.*]*?__/);
      return { kind: "wildcard", typed: wildcard[1], from: end - wildcard[1].length - 2, to: end + (behind ? behind[0].length : 0) };
    }
    const [from, to] = D.suggest.span({ text, end });
    return { kind: "", typed: text.slice(from, to).trim(), from, to };
  }

  async function names(where) {
    const { kind, typed, from, to, weights } = context(where);
    if (kind) return search(typed, { kind, limit: ALONE }, { from, to, weights });
    if (typed.length < D.suggest.LEAST) return [];
    const found = typed.length > LONGEST ? [] : await search(typed, { limit: AMONG }, { from, to });
    // Most names stand within a sentence: where all its words are none's, the last one may begin one. It is most often
    // just a word, so nothing is chosen beforehand.
    const last = where.text.slice(from, to).split(/\s+/).at(-1);
    if (found.length || last === typed || last.length < SURE || last.length > LONGEST) return found;
    const begins = new RegExp(`(^|[^\\p{L}\\p{N}])${last.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")}`, "iu");
    const some = await search(last, { limit: ALONE }, { from: to - last.length, to });
    return some.filter(({ label }) => begins.test(label)).slice(0, AMONG).map((one) => ({ ...one, unsure: true }));
  }

  async function search(typed, how, { from, to, weights }) {
    const { names: found } = await D.api("GET", `prompts/names?${new URLSearchParams({ search: typed, ...how })}`);
    return found.map((one) => ({ label: one.name, note: [t(KINDS[one.kind]), one.note].filter(Boolean).join(" · "), from, to, ...use(one, weights) }));
  }

  // A style is no word of a prompt: it is chosen.
  function use({ kind, name, written }, weights) {
    if (kind === "style") return { take: () => choose(name) };
    return { insert: kind === "lora" && weights ? `<lora:${written.slice(6, -1).split(":")[0]}${weights}>` : written };
  }

  function choose(name) {
    const styles = D.form.valuesOf(TASK).styles || [];
    if (!styles.includes(name)) D.form.fill(TASK, { styles: [...styles, name] });
    D.shell.notice(t("style_chosen", { name }));
  }

  D.suggest.sources.unshift(names);
  D.names = { context };
})();
