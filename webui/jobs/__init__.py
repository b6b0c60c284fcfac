"""The durable queue, the scheduler, the event bus and the executors."""
