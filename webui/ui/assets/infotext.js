// A1111's parameters text as something to look at: prompt, negative prompt and a table. The server parses what is used.
(() => {
  const D = window.darkroom;
  const { t, el } = D;
  const PAIR = /\s*([\w ./-]+):\s*("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)/g;

  function read(text) {
    const lines = text.split("\n");
    const last = lines[lines.length - 1];
    const pairs = [...last.matchAll(PAIR)].map(([, key, value]) => [key.trim(), unquote(value.trim())]);
    if (pairs.length >= 3) lines.pop();
    const at = lines.findIndex((line) => line.startsWith("Negative prompt:"));
    const prompt = (at < 0 ? lines : lines.slice(0, at)).join("\n").trim();
    const negative = at < 0 ? "" : lines.slice(at).join("\n").slice("Negative prompt:".length).trim();
    return { prompt, negative, values: new Map(pairs.length >= 3 ? pairs : []) };
  }

  function unquote(value) {
    if (!value.startsWith('"')) return value;
    try { return JSON.parse(value); } catch { return value; }
  }

  // The rows of the table, in the order one asks: seed, size, then what made it.
  function rows(picture, seconds) {
    const { values } = read(picture.infotext);
    const sampler = [values.get("Sampler"), values.get("Schedule type")].filter((name) => name && name !== "Automatic");
    const out = [
      [t("info_seed"), String(picture.seed)],
      [t("info_size"), D.size(picture.width, picture.height)],
      [values.has("Steps") ? "Steps" : null, values.get("Steps")],
      ["CFG scale", values.get("CFG scale")],
      ["Sampler", sampler.join(" ")],
      [t("info_model"), values.get("Model")],
    ];
    if (seconds) out.push([t("info_time"), D.duration(seconds)]);
    return out.filter(([key, value]) => key && value);
  }

  function draw(place, picture, seconds) {
    const { prompt, negative } = read(picture.infotext);
    place.replaceChildren(
      el("p", { class: "dk-prompt-text" }, prompt),
      ...(negative ? [el("p", { class: "dk-second" }, t("without", { text: negative }))] : []),
      el("dl", { class: "dk-values" }, ...rows(picture, seconds).flatMap(([key, value]) => [el("dt", {}, key), el("dd", {}, value)])),
    );
  }

  D.infotext = { read, draw };
})();
