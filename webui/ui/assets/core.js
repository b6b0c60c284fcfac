// The ground of our scripts: texts, elements built without markup from strings, requests to the native API, signals.
(() => {
  const { texts, extensionData: extensions = { panels: [], samplers: [], words: {}, texts: {} } } = window.darkroom;
  // The path that the server lies under; the middleware that writes our lines into the head knows it.
  const root = document.querySelector('meta[name="darkroom-root"]')?.content || "";
  // Ours come first: an extension's are for what we do not say in a language.
  for (const [tag, more] of Object.entries(extensions.texts)) texts[tag] = { ...more, ...texts[tag] };
  const languages = navigator.languages.map((tag) => tag.toLowerCase()).flatMap((tag) => [tag, tag.split("-")[0]]);
  const language = languages.find((tag) => texts[tag]) || "en";

  // What an extension is called in this reader's language; without words, as it calls itself, which is taken for English.
  function words(extension) {
    const known = extensions.words[extension] || {};
    const tag = languages.find((one) => known[one] || one === "en");
    return known[tag] || {};
  }

  // A string of the catalogue with {name} filled in.
  function t(key, values = {}) {
    const text = texts[language][key] ?? texts.en[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  }

  // An element. Children are nodes or text; text never becomes markup, whoever wrote it.
  function el(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  }

  const byId = (id) => document.getElementById(id);

  function setText(node, text) {
    if (node && node.textContent !== text) node.textContent = text;
  }

  function toggle(node, attribute, on) {
    if (node && node.hasAttribute(attribute) !== on) node.toggleAttribute(attribute, on);
  }

  // What the server said in problem details, or that it said nothing. Only these two are ever thrown by `api`.
  class Problem extends Error {
    constructor(body) {
      super(body.detail || body.title);
      Object.assign(this, { remedies: [], field: null, report: null, ...body });
    }
  }

  const address = (path) => `${root}/api/v1/${path}`;

  // body: an object, sent as JSON, or a file as it is. signal: calls the question off; that alone throws another error.
  async function api(method, path, body, signal) {
    let answer;
    const isFile = body instanceof Blob;
    try {
      answer = await fetch(address(path), {
        method,
        signal,
        credentials: "same-origin",
        headers: body === undefined || isFile ? {} : { "Content-Type": "application/json" },
        body: body === undefined || isFile ? body : JSON.stringify(body),
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      emit("unreachable");
      throw new Problem({ type: "unreachable", title: t("no_server"), detail: t("no_server_text"), status: 0 });
    }
    const text = await answer.text();
    const data = text && /json/.test(answer.headers.get("Content-Type") || "") ? JSON.parse(text) : null;
    if (answer.ok) return data;
    if (data && data.title) throw new Problem(data);
    // What a proxy in between says in HTML is of no use to whoever reads it.
    const plain = /^text\/plain/.test(answer.headers.get("Content-Type") || "") ? text.slice(0, 300) : "";
    throw new Problem({ title: answer.statusText, detail: plain || t("bad_answer", { status: answer.status }), status: answer.status });
  }

  const listeners = new Map();

  function on(name, call) {
    if (!listeners.has(name)) listeners.set(name, []);
    listeners.get(name).push(call);
  }

  function emit(name, ...values) {
    for (const call of listeners.get(name) || []) call(...values);
  }

  // Clicks by the id of a control, wherever and whenever Gradio draws it.
  const clicks = new Map();
  document.addEventListener("click", (event) => {
    const control = event.target.closest?.("button[id], a[id]");
    const call = control && clicks.get(control.id);
    if (call) call(control, event);
  });
  const onClick = (id, call) => clicks.set(id, call);

  function duration(seconds) {
    if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(seconds < 1 ? 1 : 0)} s`;
    if (seconds < 90) return `${Math.round(seconds)} s`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
    return `${(seconds / 3600).toFixed(1)} h`;
  }

  const ordinals = new Intl.PluralRules("en", { type: "ordinal" });
  const ordinal = (n) => n + { one: "st", two: "nd", few: "rd", other: "th" }[ordinals.select(n)];
  const size = (width, height) => `${width} × ${height}`;
  const moment = (seconds) =>
    new Date(seconds * 1000).toLocaleString(navigator.languages, { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" });

  function later(call, milliseconds) {
    let timer = 0;
    return (...values) => {
      clearTimeout(timer);
      timer = setTimeout(() => call(...values), milliseconds);
    };
  }

  // Put the catalogue's words where the server's HTML asks for them.
  function translate(root = document) {
    for (const node of root.querySelectorAll("[data-t]")) setText(node, t(node.dataset.t));
    for (const node of root.querySelectorAll("[data-t-title]")) node.title = t(node.dataset.tTitle);
    for (const node of root.querySelectorAll("[data-t-placeholder]")) {
      node.placeholder = t(node.dataset.tPlaceholder);
      node.setAttribute("aria-label", node.placeholder);
    }
    for (const node of root.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", t(node.dataset.tLabel));
  }

  // Kept between visits where the browser allows it; a page without storage works, it only forgets.
  const kept = {
    get(name, store = localStorage) {
      try { return JSON.parse(store.getItem(`darkroom-${name}`)); } catch { return null; }
    },
    set(name, value, store = localStorage) {
      try { store.setItem(`darkroom-${name}`, JSON.stringify(value)); } catch { /* storage is switched off */ }
    },
  };

  Object.assign(window.darkroom, {
    t, words, extensions, el, byId, setText, toggle, Problem, address, api, on, emit, onClick, duration, ordinal, size, moment, later, translate, kept,
  });
})();
