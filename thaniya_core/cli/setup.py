"""`thaniya setup …`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from thaniya_core.cli.context import actor
from thaniya_core.cli.output import JsonOption, confirm
from thaniya_core.config import load_config
from thaniya_core.openssh_server import set_up, take_down
from thaniya_core.setup.installation import Installation, find_program, installation_of
from thaniya_core.setup.plan import RunBy, choose_run_by
from thaniya_core.setup.preconditions import check_kind, check_machine, check_root
from thaniya_core.system.terminal import show_json

app = typer.Typer(no_args_is_help=True, help="A server with sshd on this machine; needs root.")


@app.command("openssh")
def openssh(
    context: typer.Context,
    slots: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=999,
            help="Uploads that can come in at the same time, at least. [default: as there are; 8]",
        ),
    ] = None,
    volume: Annotated[
        Path | None,
        typer.Option(
            help="Where backups are kept, when there is no volume yet: a directory that is there. "
            "[default: STATE/volume, made]"
        ),
    ] = None,
    run_by: Annotated[
        RunBy | None, typer.Option(help="What keeps the service going. [default: what this machine has]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only print what would be changed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Let this machine's sshd receive backups: accounts, directories, sshd, sudo and the service.

    Prints each change before it makes it, changes nothing that is right already, and can be run again at any time.

    Example: thaniya setup openssh --slots 16 --volume /mnt/disk1
    """
    check_root()
    installation = _find_installation(context)
    if volume is not None:
        installation = replace(installation, volume=volume.absolute())
    check_machine(installation)
    run_by = run_by or choose_run_by()
    count = set_up(installation, slots, run_by, actor(), _teller(as_json), dry_run=dry_run)
    if as_json:
        show_json({"message_type": "done", "changes": count, "dry_run": dry_run, "run_by": run_by})
        return
    if dry_run:
        print(f"{count} changes would be made" if count else "nothing is to be changed")
        return
    print(f"{count} changes were made" if count else "all is as it should be; nothing was changed")
    if run_by is RunBy.NOTHING:
        print(f"Keep this running: {installation.program} --config {installation.config} serve")
    if count:
        print("Next: thaniya doctor, then thaniya user add alice --key-file alice.pub")


@app.command("remove")
def remove(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take back what `setup openssh` made; state, volumes and archive stay.

    Example: thaniya setup remove
    """
    check_root()
    installation = _find_installation(context)
    confirm("End all sessions and uploads, and remove the slots and all settings of sshd, sudo and the service?", yes)
    count = take_down(installation, actor(), _teller(as_json))
    user = installation.service_user
    left = [str(path) for path in (installation.state, installation.config) if path.exists()]
    if as_json:
        show_json({"message_type": "done", "changes": count, "left": left, "service_user": user})
        return
    print(f"{count} changes were made" if count else "nothing was there to remove")
    if left:
        told = ", ".join(left)
        print(f"Left as they are: the archive on all volumes, {told}, and the account {user}, which owns them.")


def _find_installation(context: typer.Context) -> Installation:
    """As the configuration says; the usual places when there is none yet."""
    given = context.find_root().params.get("config")
    config = Path(given).absolute() if given else Installation().config
    if not config.exists():
        return Installation(program=find_program(), config=config)
    loaded = load_config(config)
    check_kind(loaded)
    return installation_of(loaded)


def _teller(as_json: bool) -> Callable[[str], None]:
    def tell(change: str) -> None:
        if as_json:
            show_json({"message_type": "change", "change": change})
        else:
            print(change, flush=True)

    return tell
