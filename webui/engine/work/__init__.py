"""Work on models' files: merge, convert, prune, download. Each is a function that a process of its own may run."""
