"""One command of a user: what sshd passes on in SSH_ORIGINAL_COMMAND, or a request to the embedded server."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from msgspec import Struct

from thaniya_core.errors import ThaniyaError, WrongUsage
from thaniya_core.gate import reading_verbs, upload_verbs
from thaniya_core.gate.arguments import Grammar, parse_arguments, split_command
from thaniya_core.gate.calls import Call
from thaniya_core.gate.refusals import note_refusal
from thaniya_core.gate.services import Caller, Services
from thaniya_core.gate.session import report_internal_error, run_session
from thaniya_core.system.harmless import make_harmless


class _Verb(Struct, frozen=True):
    run: Callable[[Call], int]
    grammar: Grammar
    usage: str
    example: str


_VERBS = {
    "allocate": _Verb(
        upload_verbs.allocate,
        Grammar(values=("--host", "--name", "--bytes", "--parent")),
        "allocate --host HOST --name NAME [--bytes SIZE] [--parent ID]",
        "allocate --host web1 --name nightly --bytes 10G",
    ),
    "complete": _Verb(
        upload_verbs.complete,
        Grammar(("ID",), values=("--wait", "--parent"), flags=("--sums", "--no-wait")),
        "complete ID [--sums [--parent ID]] [--wait SECONDS | --no-wait]",
        "complete 20261123T211500Z-7f3a2c --sums < SHA256SUMS",
    ),
    "abort": _Verb(
        upload_verbs.abort,
        Grammar(("ID",), values=("--reason",)),
        "abort ID [--reason TEXT]",
        'abort 20261123T211500Z-7f3a2c --reason "disk full"',
    ),
    "status": _Verb(
        upload_verbs.status,
        Grammar(("ID",), flags=("--json",)),
        "status ID [--json]",
        "status 20261123T211500Z-7f3a2c",
    ),
    "uploads": _Verb(reading_verbs.uploads, Grammar(flags=("--json",)), "uploads [--json]", "uploads --json"),
    "backups": _Verb(
        reading_verbs.backups,
        Grammar(values=("--host", "--name", "--limit"), flags=("--json",)),
        "backups [--host HOST] [--name NAME] [--limit NUMBER] [--json]",
        "backups --host web1 --limit 10",
    ),
    "contents": _Verb(
        reading_verbs.contents,
        Grammar(("ID",), ("FILE",), flags=("--json",)),
        "contents ID [FILE] [--json]",
        "contents 20261123T211500Z-7f3a2c home.tar.gz",
    ),
    "fetch": _Verb(
        reading_verbs.fetch,
        Grammar(("ID", "FILE"), ("OFFSET",)),
        "fetch ID FILE [OFFSET]",
        "fetch 20261123T211500Z-7f3a2c home.tar.gz > home.tar.gz",
    ),
}


def run_command(
    services: Services, caller: Caller, command: str, stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO
) -> int:
    """Carry out a command and give its exit code; errors are told on `stderr` and never raised.

    Args:
        services: the server.
        caller: the user whose key let the client in.
        command: as the client sent it; empty shows what there is.
        stdin: what the client sends.
        stdout: what the client gets.
        stderr: what the person at the client reads.
    """
    try:
        return _run(services, caller, command, stdin, stdout)
    except ThaniyaError as error:
        note_refusal(services, caller, command, error)
        return _tell(stderr, error)
    except (BrokenPipeError, ConnectionError):
        return ThaniyaError.exit_code  # the client is gone and hears nothing any more
    except Exception:  # noqa: BLE001 - the last place before the client
        return _tell(stderr, report_internal_error(caller))


def _run(services: Services, caller: Caller, command: str, stdin: BinaryIO, stdout: BinaryIO) -> int:
    words = split_command(command)
    name = words[0] if words else "help"
    if name == "help":
        stdout.write(_help(caller).encode())
        stdout.flush()
        return 0
    if name == "session":
        if len(words) > 1:
            raise WrongUsage("session takes no arguments")
        return run_session(services, caller, stdin, stdout)
    verb = _VERBS.get(name)
    if verb is None:
        raise WrongUsage(f"unknown command {name[:80]!r}", hint="`help` lists the commands")
    arguments = parse_arguments(words[1:], verb.grammar, verb.usage)
    return verb.run(Call(services, caller, arguments, verb.usage, stdin, stdout))


def _tell(stderr: BinaryIO, error: ThaniyaError) -> int:
    try:
        stderr.write(f"thaniya: {make_harmless(str(error))}\n".encode())
        stderr.flush()
    except OSError:
        pass  # nobody is there to read it
    return error.exit_code


def _help(caller: Caller) -> str:
    lines = [f"Hello {caller.user}, this is a Thaniya backup server. It knows these commands:", ""]
    for verb in _VERBS.values():
        lines += [f"  {verb.usage}", f"      {verb.example}"]
    lines += [
        "",
        "A whole backup from a shell: `allocate` names an upload and its slot, `scp FILES SLOT@HOST:upload/` brings",
        "the files, `sha256sum FILES | ssh … complete UPLOAD --sums` archives them. `session` is for programs.",
        "",
    ]
    return "\n".join(lines)
