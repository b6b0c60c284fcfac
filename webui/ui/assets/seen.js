// What the server reads out of the prompts, asked once the typing rests: one question at a time, none from a hidden page.
(() => {
  const D = window.darkroom;
  const TASK = "txt2img";
  const REST = 200;
  // What the texts of pictures depend on, and how they are read.
  const SAID = [
    "prompt", "negative_prompt", "styles", "seed", "subseed_strength", "batch_size", "dynamic_prompts", "combinatorial",
    "enable_prompt_comments", "steps", "sampler_name", "emphasis", "comma_padding_backtrack", "use_old_scheduling",
  ];
  // Nobody knows yet what a seed of -1 will draw. This one stands for it, so that the example stays while one types.
  const EXAMPLE = Math.floor(Math.random() * 2 ** 32);
  let known = "";
  let flight = null;
  let answer = null;

  // What is wrong with a value is said at its control; here the usual one stands for it.
  function isRight(name, value) {
    if (value === null || value === undefined || value === "") return false;
    const { kind, minimum, maximum } = D.boot.fields[name] || {};
    return !["int", "float"].includes(kind) || ((minimum ?? value) <= value && value <= (maximum ?? value));
  }

  function question() {
    const all = { ...D.boot.defaults, ...D.form.valuesOf(TASK), ...D.overrides.request() };
    const unasked = [...D.extra.unasked(), ...D.models.unknown()];
    const said = SAID.filter((name) => !unasked.includes(name) && isRight(name, all[name])).map((name) => [name, all[name]]);
    const body = { ...Object.fromEntries(said), checkpoint: all.checkpoint || D.models.chosen() };
    if (!(body.seed >= 0)) body.seed = EXAMPLE;
    return body;
  }

  const isShown = () => !document.hidden && D.shell.state.tab === `tab_${TASK}`;

  async function ask() {
    // A tab may be told open before the page has begun.
    if (!D.boot || !isShown()) return;
    const body = question(), key = JSON.stringify(body);
    if (key === known) return;
    known = key;
    flight?.abort();
    const mine = flight = new AbortController();
    let problem = null, told = null;
    try {
      told = await D.api("POST", "prompts/read", body, mine.signal);
    } catch (error) {
      problem = error;
    }
    if (mine !== flight) return;
    flight = null;
    // Without a server there is nothing new to show; it is asked again when it is back.
    if (problem?.status === 0) { known = ""; return; }
    answer = told;
    D.emit("seen", told, body, problem);
  }

  const look = D.later(ask, REST);

  function lookAgain() {
    known = "";
    look();
  }

  D.on("form", (task) => { if (task === TASK) look(); });
  D.on("models", (refreshed) => (refreshed ? lookAgain() : look()));
  D.on("tab", look);
  D.on("online", (on) => { if (on) lookAgain(); });
  document.addEventListener("visibilitychange", () => { if (isShown()) look(); });
  // settled: whether what is shown is of what stands in the form now.
  D.seen = { now: () => answer, settled: () => !flight && known === JSON.stringify(question()), example: EXAMPLE };
})();
