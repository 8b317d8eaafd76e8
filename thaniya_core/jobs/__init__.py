"""Queued work: the queue, and the worker that runs it."""

from thaniya_core.jobs.queue import JobQueue
from thaniya_core.jobs.worker import Worker

__all__ = ["JobQueue", "Worker"]
