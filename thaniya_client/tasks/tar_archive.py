"""Runs GNU tar into a file of the backup and a contents list."""

from __future__ import annotations

import fcntl
import shlex
from collections.abc import Callable, Sequence

from thaniya_client.packer import PackedFile, Packer
from thaniya_client.tasks.contents_list import ContentsList, TarListing
from thaniya_client.tasks.gnu_tar import CHANGED_WHILE_READ, ENVIRONMENT, GnuTar, clean_message, is_harmless
from thaniya_core.errors import CommandFailed, SourceFailed
from thaniya_core.system.run import Process

_PIPE_BYTES = 1024 * 1024
_TIMEOUT_S = 30 * 86400.0


def pack_with_gnu_tar(
    out: Packer,
    archive: PackedFile,
    contents: ContentsList,
    tar: GnuTar,
    arguments_for: Callable[[int], Sequence[str]],
    *,
    subject: str,
    pass_fds: Sequence[int] = (),
    on_message: Callable[[str], None] | None = None,
) -> None:
    """Write what tar packs into the archive, and list its members. What it cannot read is a warning.

    Args:
        out: takes notes and warnings.
        archive: takes tar's output.
        contents: takes its verbose list.
        tar: the program.
        arguments_for: gives tar's command line for the descriptor that the list goes to.
        subject: what is packed, for errors: a path, mostly.
        pass_fds: descriptors that tar inherits besides.
        on_message: is called with each message of tar.

    Raises:
        SourceFailed: tar failed.
    """
    listing = TarListing(contents)
    try:
        arguments = arguments_for(listing.write_end)
        out.note(f"{tar.version}: {shlex.join(arguments)}")
        with Process(
            arguments,
            timeout_s=_TIMEOUT_S,
            stdout=True,
            pass_fds=[listing.write_end, *pass_fds],
            env=ENVIRONMENT,
            on_stderr=lambda line: _sort_message(out, line, on_message),
        ) as process:
            listing.close_write_end()
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            while chunk := process.stdout.read(_PIPE_BYTES):
                archive.write(chunk)
            exit_code = process.wait()
        listing.join()
    except CommandFailed as exc:
        listing.abandon()
        raise SourceFailed(f"{subject} cannot be backed up: {exc.message}", hint=exc.hint) from exc
    except BaseException:
        listing.abandon()
        raise
    if exit_code not in (0, CHANGED_WHILE_READ):
        raise _tar_failed(subject, exit_code, process)


def _sort_message(out: Packer, line: str, on_message: Callable[[str], None] | None) -> None:
    message = clean_message(line)
    if message and on_message is not None:
        on_message(message)
    if message and is_harmless(message):
        out.note(message)
    elif message:
        out.warn(message)


def _tar_failed(subject: str, exit_code: int, process: Process) -> SourceFailed:
    how = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
    messages = [message for line in process.stderr_lines if (message := clean_message(line))]
    tail = ": " + "; ".join(messages[-3:]) if messages else ""
    return SourceFailed(f"{subject} cannot be backed up: tar {how}{tail}", exit_code=exit_code)
