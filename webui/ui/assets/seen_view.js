// Under the prompts: their tokens and chunks, what changes over the steps, extra networks, and the text as it will run.
(() => {
  const D = window.darkroom;
  const { t, el, byId, setText } = D;
  const { rows, beginning, renamed } = D.seenText;
  const TASK = "txt2img";
  const TEXTS = ["prompt", "negative_prompt"];
  const SUMMARY = 160;
  // So many stretches have room for words.
  const WORDED = 6;
  const percent = (share) => `${Math.round(share * 100)} %`;
  let fold = null;

  function draw(told, asked, problem) {
    for (const name of TEXTS) count(name, told?.[name]);
    const place = byId(`${TASK}_seen`);
    if (!place) return;
    const lines = told ? TEXTS.flatMap((name) => [...chunks(name, told[name]), ...times(name, told[name])]) : [];
    place.querySelector(".dk-seen-lines").replaceChildren(...lines);
    place.querySelector(".dk-networks").replaceChildren(...networks(told?.networks || [], asked));
    notes(place.querySelector(".dk-seen-notes"), told?.notes || []);
    drawFold(place, told, asked);
    const wrong = place.querySelector(".dk-seen-problem");
    setText(wrong, said(problem));
    wrong.dataset.field = problem?.field || "";
  }

  // Only what has changed is put there anew, since it is read aloud.
  function notes(list, sentences) {
    if ([...list.children].map((one) => one.textContent).join("\n") === sentences.join("\n")) return;
    list.replaceChildren(...sentences.map((note) => el("li", {}, note)));
  }

  // What cannot be read at all: a style that is gone, combinations without end.
  const said = (problem) => (problem && TEXTS.concat("styles", "combinatorial").includes(problem.field) ? [problem.message, ...problem.remedies].join(" ") : "");

  function count(name, text) {
    const node = document.querySelector(`#tab_${TASK} .dk-tokens[data-for="${name}"]`);
    if (!node) return;
    setText(node, text?.limit ? `${text.tokens} / ${text.limit}` : "");
    const each = (text?.encoders || []).map((one) => `${one.name}: ${one.chunks.map(({ tokens, room }) => `${tokens} / ${room}`).join(", ")}`);
    node.title = [t("tokens_title"), ...each].join("\n");
  }

  // What a line is about, in the first column, so that all bars begin at one place and are of one width.
  const label = (name, what, weight = "") => el("span", { class: "dk-seen-label" },
    el("span", { class: "dk-second" }, name === "prompt" ? what : t("seen_negative", { what })),
    weight ? el("span", { class: "dk-weight" }, weight) : null);

  // One chunk that every encoder is told is what the counter says already.
  function chunks(name, { encoders, longest_part, longest_words, parts }) {
    const found = rows(encoders);
    if (found.length < 2 && !found.some((row) => row.chunks.length > 1 || row.left)) return [];
    const words = beginning(longest_words, 60), part = parts.length > 1 ? `${t("seen_part", { n: longest_part })}, ` : "";
    return found.map(({ names, chunks: list, left }) => el("div", { class: "dk-seen-line" },
      label(name, t(found.length > 1 ? "seen_tokens" : "seen_chunks")),
      el("div", { class: "dk-chunks", role: "list", "aria-label": names.join(", ") },
        found.length > 1 ? el("span", { class: "dk-second" }, names.join(", ")) : null,
        ...list.map(chunk), left ? el("span", { class: "dk-left" }, t("seen_left", { n: left })) : null,
        longest_part ? el("span", { class: "dk-second dk-longest" }, t("seen_longest", { text: part + words })) : null)));
  }

  function chunk({ tokens, room, text }) {
    const bar = el("i", { "aria-hidden": "true" });
    bar.style.setProperty("--share", `${(100 * tokens) / room}%`);
    return el("span", { role: "listitem", class: "dk-chunk", title: text }, bar,
      el("span", {}, `${tokens} / ${room}`), text ? el("small", {}, beginning(text, 48)) : null);
  }

  // Each text between AND has a line; one that stays as it is and counts in full has none.
  function times(name, { parts }) {
    return parts.filter(({ stretches, weight }) => stretches.length > 1 || parts.length > 1 || weight !== 1).map(({ stretches, weight }, place) => {
      const texts = stretches.map(({ differs }) => differs);
      const spoken = texts.map((text, place) => t("seen_until", { text: text || t("nothing"), until: percent(stretches[place].until) }));
      return el("div", { class: "dk-seen-line" },
        label(name, parts.length > 1 ? t("seen_part", { n: place + 1 }) : t("seen_steps"), weight === 1 && parts.length === 1 ? "" : `× ${weight}`),
        el("div", { class: "dk-times", role: "img", "aria-label": beginning(spoken.join(", "), 400) }, ...segments(stretches, texts)),
        texts.length > WORDED ? el("span", { class: "dk-second dk-words" }, beginning([...new Set(texts.map((text) => text || t("nothing")))].join(" / "), 80)) : null);
    });
  }

  function segments(stretches, texts) {
    let from = 0;
    return stretches.map(({ until, text }, place) => {
      const node = el("span", { title: `${percent(from)} – ${percent(until)}\n${text}` }, texts.length > WORDED ? "" : texts[place] || "–");
      node.style.flexGrow = Math.max(0.001, until - from);
      from = until;
      return node;
    });
  }

  function networks(list, asked) {
    return list.map((one) => {
      const nearest = one.like && renamed(asked.prompt || "", one.type, one.name, one.like);
      // What a note is about is told by the note, which stands below.
      const mark = one.problem ? "✗ " : one.note ? "! " : "✓ ";
      return el("li", { "data-problem": Boolean(one.problem), "data-note": Boolean(one.note), title: one.note || one.file || one.written },
        el("span", { "aria-hidden": "true" }, mark),
        el("span", { class: "dk-sr" }, one.problem ? "" : t(one.note ? "seen_noted" : "seen_found")),
        el("span", {}, one.type === "embedding" ? one.problem || one.name : one.problem ? `${one.type}:${one.name}: ${one.problem}` : one.written.slice(1, -1)),
        nearest ? el("button", { type: "button", class: "dk-link", onclick: () => use(one) }, t("seen_like", { name: one.like })) : null);
    });
  }

  // In the prompt as it stands when the button is pressed.
  function use({ type, name, like }) {
    const prompt = renamed(D.form.valuesOf(TASK).prompt || "", type, name, like);
    if (prompt !== null) D.form.fill(TASK, { prompt });
    byId(`${TASK}_prompt`).querySelector("textarea").focus();
  }

  // Drawn in place, so that what was opened stays open while one types.
  function drawFold(place, told, asked) {
    fold = place.querySelector("details");
    const others = told ? TEXTS.filter((name) => told[name].text.trim() !== (asked[name] || "").trim()) : [];
    fold.hidden = !others.length;
    if (fold.hidden) return;
    setText(fold.querySelector("summary span"), beginning(told[others[0]].text.replace(/\s+/g, " "), SUMMARY) || t("nothing"));
    const isExample = asked.seed === D.seen.example && D.form.valuesOf(TASK).dynamic_prompts !== false && /\{.*\||__/s.test([asked.prompt, asked.negative_prompt].join());
    fold.querySelector("div").replaceChildren(
      ...others.flatMap((name) => [el("p", { class: "dk-second" }, t(`field_${name}`)), el("p", { class: "dk-run-text" }, told[name].text || t("nothing"))]),
      ...(isExample ? [el("p", { class: "dk-second" }, t("seen_example"))] : []),
      ...(told.pictures > (asked.batch_size || 1) ? [el("p", { class: "dk-second" }, t("seen_pictures", { n: told.pictures }))] : []));
  }

  D.on("seen", draw);
})();
