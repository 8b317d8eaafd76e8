"""The output of a program as a file of a backup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from thaniya_client.packer import PackedFile, Packer
from thaniya_core.errors import CommandFailed, SourceFailed
from thaniya_core.system.run import Process

_READ_BYTES = 256 * 1024
_TIMEOUT_S = 30 * 86400.0


def pack_output(
    out: Packer,
    file: PackedFile,
    argv: Sequence[str],
    *,
    subject: str,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    allow_empty: bool = False,
) -> None:
    """Write what a program prints into a file of the backup. It reads nothing; its stderr goes into client.log.

    Args:
        out: takes the notes.
        file: takes the bytes; it must not be closed as done when this raises.
        argv: the program and its arguments; no shell is involved. They are shown in errors: no secrets here.
        subject: what is backed up, for errors: `database shop`.
        env: variables to set on top of this process's.
        pass_fds: descriptors that the program inherits.
        allow_empty: a program that prints nothing has not failed.

    Raises:
        SourceFailed: the program cannot be started, ended with another exit code than 0, or printed nothing.
    """
    before = file.original_bytes
    try:
        with Process(
            argv, timeout_s=_TIMEOUT_S, stdout=True, env=env, pass_fds=pass_fds, on_stderr=out.note
        ) as process:
            while chunk := process.stdout.read(_READ_BYTES):
                file.write(chunk)
            process.check()
    except CommandFailed as exc:
        raise _source_failed(subject, exc) from exc
    if file.original_bytes == before and not allow_empty:
        raise SourceFailed(
            f"{subject} cannot be backed up: `{argv[0]}` ended well but wrote nothing",
            hint="an empty dump restores nothing; where empty is right, say allow_empty=True",
        )


def run_tool(
    argv: Sequence[str], *, subject: str, env: Mapping[str, str] | None = None, pass_fds: Sequence[int] = ()
) -> bytes:
    """Run a program that prints little, to its end, and give what it printed; see `pack_output`.

    Raises:
        SourceFailed: it cannot be started, or ended with another exit code than 0.
    """
    try:
        with Process(argv, timeout_s=_TIMEOUT_S, stdout=True, env=env, pass_fds=pass_fds) as process:
            printed = process.stdout.read()
            process.check()
    except CommandFailed as exc:
        raise _source_failed(subject, exc) from exc
    return printed


def _source_failed(subject: str, exc: CommandFailed) -> SourceFailed:
    return SourceFailed(f"{subject} cannot be backed up: {exc.message}", hint=exc.hint, **exc.facts)
