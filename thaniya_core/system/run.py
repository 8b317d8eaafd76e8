"""The only place that starts processes. Both output streams are drained at once and each process has a deadline."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from msgspec import Struct

from thaniya_core.errors import CommandFailed
from thaniya_core.system.signals import held_signals

_STDERR_LINES = 50
_LINE_BYTES = 64 * 1024
_LINE_CHARACTERS = 1000
_GRACE_S = 2.0
"""How long a program that is asked to end may take."""


class _Started:
    """The programs that this process has started and that have not ended: its own, as its memory is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._killing: dict[int, Callable[[], None]] = {}
        self._is_closed = False

    def add(self, process_id: int, kill: Callable[[], None]) -> None:
        with self._lock:
            self._killing[process_id] = kill
            is_late = self._is_closed
        if is_late:
            _kill_if_allowed(kill)

    def discard(self, process_id: int) -> None:
        with self._lock:
            self._killing.pop(process_id, None)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            killing = list(self._killing.values())
        for kill in killing:
            _kill_if_allowed(kill)


def _kill_if_allowed(kill: Callable[[], None]) -> None:
    try:
        kill()
    except PermissionError:
        pass  # it belongs to another user


_started = _Started()


def end_programs() -> None:
    """Kill every program that was started and runs still, and from now on each as soon as it is started.

    For a process that ends without waiting for its threads: what they have started would run on without it. What
    belongs to another user, as behind sudo, may run on.
    """
    _started.close()


class Completed(Struct, frozen=True):
    """A process that has ended."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: bytes
    stderr: bytes


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    stdin: bytes = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> Completed:
    """Run a program to its end and give back what it wrote.

    Args:
        argv: the program and its arguments; no shell is involved.
        timeout_s: after so many seconds the process is asked to end, and killed soon after; one that belongs to
            another user, as behind sudo, may run on.
        stdin: what the program reads.
        cwd: the directory it runs in.
        env: variables to set on top of this process's.
        check: raise for an exit code other than 0.

    Raises:
        CommandFailed: the program is missing, failed or ran out of time.
    """
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(list(argv), stdin=pipe, stdout=pipe, stderr=pipe, cwd=cwd, env=_environment(env))
    except OSError as exc:
        raise _cannot_start(argv, exc) from exc
    _started.add(process.pid, process.kill)
    try:
        stdout, stderr = process.communicate(stdin, timeout_s)
    except BaseException as exc:
        how = _end(process)
        if isinstance(exc, subprocess.TimeoutExpired):
            raise CommandFailed(
                f"`{shlex.join(argv)}` did not end within {timeout_s:g} s and {how}", exit_code=None
            ) from exc
        raise
    finally:
        _started.discard(process.pid)
    completed = Completed(tuple(argv), process.returncode, stdout, stderr)
    if check and completed.exit_code != 0:
        raise command_failed(argv, completed.exit_code, completed.stderr.decode("utf-8", "replace").splitlines())
    return completed


def _end(process: subprocess.Popen[bytes]) -> str:
    """End a process; gives what became of it.

    It is asked first: sudo hands SIGTERM on to what it runs, which SIGKILL would leave to itself.
    """
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    try:
        process.terminate()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    except PermissionError:
        threading.Thread(target=process.wait, name=f"wait for {process.pid}", daemon=True).start()
        return f"runs on, as process {process.pid}: it belongs to another user"
    return "was ended"


def command_failed(argv: Sequence[str], exit_code: int, stderr_lines: Sequence[str]) -> CommandFailed:
    """The error of a program that ended badly: its command line, exit code and the end of its stderr."""
    return _failed(shlex.join(argv), exit_code, stderr_lines)


def _failed(shown_as: str, exit_code: int, stderr_lines: Sequence[str]) -> CommandFailed:
    tail = "; ".join(line[:_LINE_CHARACTERS] for line in stderr_lines[-5:] if line)
    return CommandFailed(
        f"`{shown_as}` ended with exit code {exit_code}" + (f": {tail}" if tail else ""),
        exit_code=exit_code,
    )


def feed(argv: Sequence[str], data: bytes, *, timeout_s: float, env: Mapping[str, str] | None = None) -> None:
    """Have a program read something, and wait for its end. It may write what it likes: nothing of it is kept.

    Args:
        argv: the program and its arguments. Only the program is named in errors: an argument may be a secret.
        data: what it reads.
        timeout_s: after so many seconds it is killed, with what it has started.
        env: variables to set on top of this process's.

    Raises:
        CommandFailed: the program is missing, failed or ran out of time.
    """
    with Process(argv, timeout_s=timeout_s, stdin=True, env=env, shown_as=argv[0]) as process:
        try:
            process.stdin.write(data)
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended without reading everything: its exit code tells why
        process.check()


class Process:
    """A running program with pipes to it. Use as a context manager: leaving it by an exception kills the program.

    stderr is drained by a thread from the start; its last lines are kept in `stderr_lines`.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bool = False,
        stdout: bool = False,
        pass_fds: Sequence[int] = (),
        env: Mapping[str, str] | None = None,
        on_stderr: Callable[[str], None] | None = None,
        shown_as: str = "",
    ) -> None:
        """Start the program.

        Args:
            argv: the program and its arguments.
            timeout_s: after so many seconds it is killed.
            stdin: open a pipe to write to; otherwise it reads nothing.
            stdout: open a pipe to read from; otherwise its output is thrown away.
            pass_fds: descriptors that the program inherits under the same numbers.
            env: variables to set on top of this process's.
            on_stderr: called in the draining thread with each line.
            shown_as: what errors call it; its command line unless given.

        Raises:
            CommandFailed: it cannot be started.
        """
        self.argv = tuple(argv)
        self._shown_as = shown_as or shlex.join(argv)
        self.stderr_lines: deque[str] = deque(maxlen=_STDERR_LINES)
        self._timed_out = False
        self._timeout_s = timeout_s
        self._on_stderr = on_stderr
        started = False
        try:
            # A signal between the fork and the assignment would leave a program that nobody knows of.
            with held_signals():
                self._popen = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                    stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    pass_fds=tuple(pass_fds),
                    env=_environment(env),
                    process_group=0,
                )
                started = True
                self._drain = threading.Thread(target=self._drain_stderr, name=f"stderr of {argv[0]}", daemon=True)
                self._drain.start()
                self._deadline = threading.Timer(timeout_s, self._run_out)
                self._deadline.daemon = True
                self._deadline.start()
                _started.add(self._popen.pid, self.kill)
        except OSError as exc:
            raise _cannot_start(argv, exc) from exc
        except BaseException:
            if started:
                self._popen.kill()
            raise

    @property
    def stdin(self) -> IO[bytes]:
        """The pipe to the program."""
        if self._popen.stdin is None:
            raise ValueError("the process was started without a pipe to its stdin")
        return self._popen.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe from the program."""
        if self._popen.stdout is None:
            raise ValueError("the process was started without a pipe from its stdout")
        return self._popen.stdout

    def kill(self) -> None:
        """End the program and what it has started at once; harmless when all has ended."""
        if self._popen.poll() is not None and not self._drain.is_alive():
            return  # the number of the group may be another's by now
        try:
            os.killpg(self._popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def terminate(self) -> None:
        """Ask the program to end (SIGTERM); harmless when it has ended."""
        self._popen.terminate()

    def wait(self) -> int:
        """Close the pipes, wait for the end and give the exit code.

        Raises:
            CommandFailed: the program ran out of time.
        """
        try:
            if self._popen.stdin is not None:
                self._popen.stdin.close()
        except BrokenPipeError:
            pass  # it ended without reading everything: its exit code tells why
        exit_code = self._popen.wait()
        self._drain.join()
        _started.discard(self._popen.pid)
        self._deadline.cancel()
        if self._popen.stdout is not None:
            self._popen.stdout.close()
        if self._timed_out:
            raise CommandFailed(f"`{self._shown_as}` did not end within {self._timeout_s:g} s and was killed")
        return exit_code

    def check(self) -> None:
        """Wait for the end.

        Raises:
            CommandFailed: the exit code is not 0, or the program ran out of time.
        """
        exit_code = self.wait()
        if exit_code != 0:
            raise _failed(self._shown_as, exit_code, list(self.stderr_lines))

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        try:
            self.wait()
        except CommandFailed:
            if kind is None:
                raise

    def _run_out(self) -> None:
        self._timed_out = True
        self.kill()

    def _drain_stderr(self) -> None:
        stream = self._popen.stderr
        if stream is None:
            return
        with stream:
            while line := stream.readline(_LINE_BYTES):
                text = line.decode("utf-8", "replace").rstrip("\n")
                self.stderr_lines.append(text)
                if self._on_stderr is not None:
                    self._on_stderr(text)


def _environment(extra: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if extra is None else {**os.environ, **extra}


def _cannot_start(argv: Sequence[str], exc: OSError) -> CommandFailed:
    if isinstance(exc, FileNotFoundError):
        return CommandFailed(f"the program {argv[0]!r} is not there", hint=f"install {argv[0]}")
    return CommandFailed(f"{argv[0]!r} cannot be started: {exc.strerror}")
