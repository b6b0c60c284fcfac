"""Hooks, extensions and how they are found; the built-in rows go in through the same door as a stranger's."""
