"""Queued work: the queue, and the worker that runs it. Work done again and again: the schedule."""

from thaniya_core.jobs.queue import JobQueue
from thaniya_core.jobs.schedule import Schedule, ScheduledTask, Task, TaskState
from thaniya_core.jobs.worker import Worker

__all__ = ["JobQueue", "Schedule", "ScheduledTask", "Task", "TaskState", "Worker"]
