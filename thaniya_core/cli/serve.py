"""`thaniya serve` and `thaniya tick`."""

from __future__ import annotations

import resource
import signal
from types import FrameType

import typer

from thaniya_core.cli.context import server_of
from thaniya_core.cli.output import JsonOption
from thaniya_core.system.terminal import show_json
from thaniya_core.tick import run_pass, run_schedule


def serve(context: typer.Context, as_json: JsonOption = False) -> None:
    """Let clients in, watch uploads and archive them, until SIGTERM or Ctrl-C.

    Example: thaniya --config ~/backups/thaniya.toml serve
    """
    # Imported here: only this command needs an SSH server, and cron starts the others often.
    from thaniya_core.service import Service

    _raise_descriptor_limit()
    service = Service(server_of(context))

    def stop(number: int, frame: FrameType | None) -> None:
        service.stop_soon()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)

    def tell() -> None:
        if service.gate is None:
            _tell_openssh(as_json)
            return
        address, port = service.gate.address, service.gate.port
        if as_json:
            facts = {"message_type": "ready", "address": address, "port": port}
            show_json(facts | {"host_key": service.gate.fingerprint})
        else:
            print(f"listening on {address} port {port}, host key {service.gate.fingerprint}", flush=True)

    service.run(tell)


def _raise_descriptor_limit() -> None:
    """Clients and files need more than the 1024 descriptors that many systems give at first."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))


def _tell_openssh(as_json: bool) -> None:
    if as_json:
        show_json({"message_type": "ready"})
    else:
        print("ready; sshd lets clients in", flush=True)


def tick(context: typer.Context, as_json: JsonOption = False) -> None:
    """Make one pass, for cron: end silent uploads, close slots, run the jobs and what of the schedule is due.

    While `thaniya serve` runs, it does all this, and tick does nothing.

    Example: */5 * * * * thaniya tick
    """
    server = server_of(context)
    jobs = run_pass(server)
    tasks = 0 if jobs is None else run_schedule(server)
    if as_json:
        show_json({"ran_jobs": jobs, "ran_tasks": tasks, "other_service": jobs is None})
    elif jobs is None:
        print("the running service does this itself")
    else:
        print(f"{jobs} jobs ran, {tasks} parts of the schedule")
