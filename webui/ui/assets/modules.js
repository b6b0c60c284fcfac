// VAE and text encoders: one field in the head lists the files that fit the chosen checkpoint; Automatic leaves it to the server.
(() => {
  const D = window.darkroom;
  const AUTOMATIC = "Automatic";
  const NONE = "None";
  let list = [];
  let chosen = [];
  let begun = false;

  const find = (name) => list.find((file) => file.name === name) || null;
  const isVae = (name) => name === NONE || find(name)?.role === "vae";

  // Names of files as one text with commas between them, as core/request.py reads them.
  const quoted = (name) => (/[",]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);
  const join = (names) => names.map(quoted).join(", ");
  const split = (text) => [...(text || "").matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,]+))\s*(?:,|$)/g)]
    .map(([, inside, plain]) => (inside ?? plain).replaceAll('""', '"').trim()).filter(Boolean);

  async function load() {
    const answer = await D.api("GET", "modules").catch(() => null);
    if (!answer) return;
    const usable = answer.modules.filter((file) => !file.problem);
    // An open field is left alone where it stays the same.
    if (begun && JSON.stringify(usable) === JSON.stringify(list)) return;
    list = usable;
    if (!begun) {
      begun = true;
      const { sd_vae: vae, sd_text_encoders: encoders } = D.shell.state.settings || {};
      chosen = D.kept.get("modules", sessionStorage) || [...(vae && vae !== AUTOMATIC ? [vae] : []), ...split(encoders)];
    }
    suit();
  }

  const fits = (file) => file.fits.includes(D.models.family());
  const names = () => [AUTOMATIC, NONE, ...list.filter(fits).map((file) => file.name)];

  // What does not fit another checkpoint is left to the program again.
  function suit() {
    if (!begun) return;
    const there = names();
    chosen = there.filter((name) => chosen.includes(name));
    show();
  }

  const automatic = () => { document.documentElement.dataset.parts = chosen.length ? "chosen" : "automatic"; };
  const take = () => ({ __type__: "update", choices: names().map((name) => [name, name]), value: chosen.length ? chosen : [AUTOMATIC] });
  const show = () => { automatic(); D.byId("dk_modules_apply")?.click(); };

  // Chosen by hand. Of the VAEs the newest counts; Automatic empties the list, and stands there while it is empty.
  function choose(given) {
    const added = given.filter((name) => !chosen.includes(name) && name !== AUTOMATIC);
    const cleared = given.includes(AUTOMATIC) && chosen.length > 0 && !added.length;
    const rest = given.filter((name) => name !== AUTOMATIC);
    const vae = [...rest].reverse().find(isVae);
    const there = names();
    chosen = cleared ? [] : there.filter((name) => rest.includes(name) && (!isVae(name) || name === vae));
    automatic();
    D.problems.clear("vae");
    D.problems.clear("text_encoders");
    remember();
    return take();
  }

  // Chosen by a script: the fields of a request. One that is not named stays.
  function pick({ vae, text_encoders: encoders }) {
    const vaes = vae === undefined ? chosen.filter(isVae) : vae === AUTOMATIC || !vae ? [] : [vae];
    const others = encoders === undefined ? chosen.filter((name) => !isVae(name)) : split(encoders);
    chosen = [...vaes, ...others];
    D.kept.set("modules", chosen, sessionStorage);
    suit();
  }

  // A1111 keeps the last choice as an option; for guests it stays with their page.
  async function remember() {
    D.kept.set("modules", chosen, sessionStorage);
    const { you, settings } = D.shell.state;
    if (you?.level !== "owner" || !settings) return;
    const { vae: sd_vae, text_encoders: sd_text_encoders } = request();
    if (settings.sd_vae === sd_vae && settings.sd_text_encoders === sd_text_encoders) return;
    Object.assign(settings, { sd_vae, sd_text_encoders });
    await D.api("PATCH", "settings", { sd_vae, sd_text_encoders }).catch((problem) => D.problems.report(problem));
  }

  // The fields of a request that say it; a page without the field says nothing, and the settings count.
  const request = () => (!begun || !D.byId("setting_sd_vae") ? {} : {
    vae: chosen.find(isVae) || AUTOMATIC,
    text_encoders: join(chosen.filter((name) => !isVae(name))),
  });

  D.on("models", (refreshed) => (begun && !refreshed ? suit() : load()));
  D.modules = { choose, take, pick, request };
})();
