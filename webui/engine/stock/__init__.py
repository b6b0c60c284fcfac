"""Models without an adapter: their stock diffusers pipelines, run behind the engine's own events."""
