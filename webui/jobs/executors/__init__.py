"""Executors: where a job runs (a worker process, or the fake used by tests)."""
