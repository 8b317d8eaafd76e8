"""`thaniya slot …`."""

from __future__ import annotations

from typing import Annotated

import typer

from thaniya_core.cli.context import actor, server_of
from thaniya_core.cli.output import JsonOption, print_facts, print_records
from thaniya_core.model import Slot

app = typer.Typer(no_args_is_help=True, help="Slots: the accounts that take one upload at a time.")

Name = Annotated[str, typer.Argument(help="The slot, like thaniya_03.")]


@app.command("list")
def list_slots(context: typer.Context, as_json: JsonOption = False) -> None:
    """List all slots with what holds them.

    Example: thaniya slot list
    """
    slots = server_of(context).slots.all()
    rows = [[slot.name, slot.state, slot.upload_id or "-", slot.reason or "-"] for slot in slots]
    print_records(
        slots, ["slot", "state", "upload", "reason"], rows, as_json, "no slots: make one with `thaniya slot add 1`"
    )


@app.command("add")
def add(
    context: typer.Context,
    number: Annotated[int, typer.Argument(min=1, max=999, help="The slot's number: 9 makes thaniya_09.")],
    as_json: JsonOption = False,
) -> None:
    """Make one more slot.

    Example: thaniya slot add 9
    """
    _show(server_of(context).slots.add(number, actor()), as_json)


@app.command("remove")
def remove(context: typer.Context, name: Name, as_json: JsonOption = False) -> None:
    """Remove a slot with its account; one that an upload holds is refused.

    Example: thaniya slot remove thaniya_09
    """
    server_of(context).slots.remove(name, actor())
    print_facts({"removed": name}, [("removed", name)], as_json)


@app.command("reset")
def reset(context: typer.Context, name: Name, as_json: JsonOption = False) -> None:
    """Clean a degraded slot and make it ready.

    Example: thaniya slot reset thaniya_03
    """
    _show(server_of(context).reset_slot(name, actor()), as_json)


@app.command("enable")
def enable(context: typer.Context, name: Name, as_json: JsonOption = False) -> None:
    """Take a disabled slot into use again.

    Example: thaniya slot enable thaniya_03
    """
    _show(server_of(context).enable_slot(name, actor()), as_json)


@app.command("disable")
def disable(context: typer.Context, name: Name, as_json: JsonOption = False) -> None:
    """Take a slot out of use.

    Example: thaniya slot disable thaniya_03
    """
    _show(server_of(context).slots.disable(name, actor()), as_json)


def _show(slot: Slot, as_json: bool) -> None:
    print_facts(slot, [("slot", slot.name), ("state", slot.state.value), ("reason", slot.reason or "-")], as_json)
