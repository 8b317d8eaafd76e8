"""`thaniya job …`."""

from __future__ import annotations

from typing import Annotated

import typer

from thaniya_core.cli.context import actor, server_of
from thaniya_core.cli.output import JsonOption, format_time, print_facts, print_records
from thaniya_core.model import Job

app = typer.Typer(no_args_is_help=True, help="Queued work.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]


@app.command("list")
def list_jobs(
    context: typer.Context,
    ended: Annotated[bool, typer.Option("--all", "-a", help="Jobs that are done too.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Done jobs at the most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List jobs that are queued, running or given up.

    Example: thaniya job list --all
    """
    server = server_of(context)
    jobs = server.jobs.list_all(limit) if ended else server.jobs.waiting()
    rows = [
        [
            job.id,
            job.kind,
            job.state,
            job.subject,
            str(job.attempts),
            format_time(job.not_before if not job.ended_at else None),
            job.reason or "-",
        ]
        for job in jobs
    ]
    columns = ["id", "kind", "state", "subject", ">attempts", "not before", "reason"]
    print_records(jobs, columns, rows, as_json, "no job waits")


@app.command("show")
def show(context: typer.Context, job_id: Id, as_json: JsonOption = False) -> None:
    """Show one job.

    Example: thaniya job show 20261123T211501Z-00ff17
    """
    _show(server_of(context).jobs.get(job_id), as_json)


@app.command("retry")
def retry(context: typer.Context, job_id: Id, as_json: JsonOption = False) -> None:
    """Run a job again that was given up, or now instead of later.

    Example: thaniya job retry 20261123T211501Z-00ff17
    """
    _show(server_of(context).retry_job(job_id, actor()), as_json)


def _show(job: Job, as_json: bool) -> None:
    facts = [
        ("job", job.id),
        ("kind", job.kind.value),
        ("subject", job.subject),
        ("state", job.state.value),
        ("attempts", str(job.attempts)),
        ("created", format_time(job.created_at)),
        ("not before", format_time(job.not_before)),
        ("claimed by", job.claimed_by or "-"),
        ("ended", format_time(job.ended_at)),
        ("reason", job.reason or "-"),
    ]
    print_facts(job, facts, as_json)
