"""What a task must be able to do, and what it may do besides. An own task is a small class with two methods:

class Crontab:
    def estimate_bytes(self) -> int | None:
        return None

    def pack(self, out: Packer) -> None:
        with out.open("crontab.txt") as file:
            file.write(Path("/etc/crontab").read_bytes())
        out.add_recipe("the crontab", "cp crontab.txt /etc/crontab")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol, runtime_checkable

from thaniya_client.packer import Packer
from thaniya_client.tasks.tools import Tool, find_tool


class Task(Protocol):
    """Something that can be backed up."""

    def estimate_bytes(self) -> int | None:
        """How much `pack` will write at the most, before compression; None where that cannot be known cheaply.

        Raises:
            SourceFailed: the source is not there or cannot be read.
        """
        ...

    def pack(self, out: Packer) -> None:
        """Write the files of the backup, and say how they are restored where that is not plain.

        Raises:
            SourceFailed: the source cannot be packed; nothing is archived then.
        """
        ...


@runtime_checkable
class Described(Protocol):
    """A task that says what it is about to do; another is called what `repr` makes of it."""

    def describe(self) -> str:
        """What will be backed up and how, in one line and without secrets: `the directory /home by tar`."""
        ...


@runtime_checkable
class WithTools(Protocol):
    """A task that needs programs. They are looked for before anything else is done."""

    def tools(self) -> Sequence[Tool]:
        """The programs that `pack` runs."""
        ...


@runtime_checkable
class Checked(Protocol):
    """A task that can tell quickly whether its source is there."""

    def check_source(self) -> object:
        """Look at the source, without reading all of it.

        Raises:
            SourceFailed: it is not there or cannot be read.
        """
        ...


@runtime_checkable
class Prepared(Protocol):
    """A task that does something long before it sends anything, such as a copy that it sends then."""

    def prepare(self) -> AbstractContextManager[None]:
        """Enter this before the estimate, and leave it when the backup has ended, however it ends.

        A slot is asked for in between: an upload that is silent for long loses its slot.

        Raises:
            SourceFailed: the source cannot be backed up.
        """
        ...


@contextmanager
def prepared(tasks: Iterable[Task]) -> Iterator[None]:
    """Have all tasks prepared for the block."""
    with ExitStack() as stack:
        for task in tasks:
            if isinstance(task, Prepared):
                stack.enter_context(task.prepare())
        yield


def describe_task(task: Task) -> str:
    """What a task is about to do, in one line."""
    return task.describe() if isinstance(task, Described) else repr(task)


def check_tools(things: Iterable[object]) -> None:
    """Make sure that the programs are there that tasks or steps say they need.

    Raises:
        SourceFailed: one is missing; the hint says how to install it.
    """
    for thing in things:
        for tool in thing.tools() if isinstance(thing, WithTools) else ():
            find_tool(tool)


def check_source(task: Task) -> None:
    """Make sure that a task's source is there, where the task can tell.

    Raises:
        SourceFailed: it is not, or cannot be read.
    """
    if isinstance(task, Checked):
        task.check_source()
