// Tags among the suggestions under a prompt, asked of the server.
(() => {
  const page = window.darkroom.extend;

  page.suggest(async (typed) => {
    const { tags } = await page.api("GET", `x/tag-completion/tags?q=${encodeURIComponent(typed)}`);
    return tags.filter(({ name }) => name.toLowerCase() !== typed.toLowerCase()).map(({ name, alias, uses }) => ({
      label: alias ? `${alias} → ${name}` : name,
      // What brackets mean in a prompt they shall not mean in a tag's name.
      insert: name.replace(/[()[\]]/g, "\\$&"),
      note: uses ? uses.toLocaleString() : "",
    }));
  });
})();
