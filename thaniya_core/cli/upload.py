"""`thaniya upload …`."""

from __future__ import annotations

from typing import Annotated

import typer

from thaniya_core.cli.context import actor, server_of
from thaniya_core.cli.output import JsonOption, format_time, print_facts, print_records
from thaniya_core.formats.quantities import format_size
from thaniya_core.model import Upload

app = typer.Typer(no_args_is_help=True, help="Uploads: what is coming in, and what became of it.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The upload's id.")]


@app.command("list")
def list_uploads(
    context: typer.Context,
    ended: Annotated[bool, typer.Option("--all", "-a", help="Ended uploads too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Ended uploads at the most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List uploads on their way, and failed ones that wait for you.

    Example: thaniya upload list --all
    """
    server = server_of(context)
    uploads = server.uploads.list_all(limit) if ended else server.uploads.list_on_their_way()
    rows = [
        [
            upload.id,
            upload.state,
            str(upload.series),
            upload.slot,
            upload.peer or "-",
            "-" if upload.sessions is None else "yes" if upload.sessions else "NO",
            format_size(upload.received_bytes),
            f"{format_size(upload.bytes_per_s)}/s" if upload.bytes_per_s else "-",
            format_size(upload.expected_bytes),
            format_time(upload.last_activity_at),
            upload.shown_reason or "-",
        ]
        for upload in uploads
    ]
    columns = ["id", "state", "series", "slot", "from", "connected", ">received", ">rate", ">expected", "last activity"]
    print_records(uploads, [*columns, "reason"], rows, as_json, "no upload is on its way")


@app.command("show")
def show(context: typer.Context, upload_id: Id, as_json: JsonOption = False) -> None:
    """Show one upload, on its way or ended.

    Example: thaniya upload show 20261123T211500Z-7f3a2c
    """
    _show(server_of(context).uploads.get(upload_id), as_json)


@app.command("abort")
def abort(
    context: typer.Context,
    upload_id: Id,
    reason: Annotated[str, typer.Option(help="Told to the client and kept.")] = "by the administrator",
    as_json: JsonOption = False,
) -> None:
    """End an open upload, or give a failed one up with its files.

    Example: thaniya upload abort 20261123T211500Z-7f3a2c --reason "disk is needed"
    """
    _show(server_of(context).abort_upload(upload_id, reason, actor()), as_json)


def _show(upload: Upload, as_json: bool) -> None:
    facts = [
        ("upload", upload.id),
        ("state", upload.state.value),
        ("series", str(upload.series)),
        ("slot", upload.slot),
        ("peer", upload.peer or "-"),
        ("received", f"{format_size(upload.received_bytes)} in {upload.received_files} files"),
        ("rate", f"{format_size(upload.bytes_per_s)}/s"),
        ("connected", "unknown" if upload.sessions is None else str(upload.sessions)),
        ("expected", format_size(upload.expected_bytes)),
        ("allowed", format_size(upload.allowed_bytes) if upload.allowed_bytes is not None else "no limit"),
        ("opened", format_time(upload.created_at)),
        ("last activity", format_time(upload.last_activity_at)),
        ("completed", format_time(upload.completed_at)),
        ("ended", format_time(upload.ended_at)),
        ("reason", upload.shown_reason or "-"),
    ]
    print_facts(upload, facts, as_json)
