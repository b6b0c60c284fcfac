"""Hook specifications, the loader of extensions, and the built-in rows."""
