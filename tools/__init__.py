"""Programs that make the project's own material; no part of the running program imports them."""
