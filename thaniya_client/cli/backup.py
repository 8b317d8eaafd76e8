"""`thaniya-client backup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from thaniya_client.cli.options import AcceptNewOption, ConfigOption, JsonOption, connect, load
from thaniya_client.cli.profile_runs import run_profiles
from thaniya_client.cli.progress import show_progress
from thaniya_client.cli.report import show_report
from thaniya_client.tasks.directory import Directory, default_name
from thaniya_core.errors import ExitCode, WrongUsage
from thaniya_core.formats.compression import Compression
from thaniya_core.formats.quantities import parse_duration

_DEFAULT_PATIENCE = "10m"


def backup(
    names: Annotated[
        list[str], typer.Argument(metavar="PROFILE|PATH", help="Profiles; with --name directories to back up.")
    ],
    name: Annotated[
        str,
        typer.Option("--name", help="Back up directories, as this series: backups of the same name belong together."),
    ] = "",
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude", help="Leave out: '*.tmp' at any depth, 'build/*.o' from the directory on. Repeatable."
        ),
    ] = None,
    one_file_system: Annotated[
        bool, typer.Option("--one-file-system", help="Leave out what is mounted below.")
    ] = False,
    xattrs: Annotated[bool, typer.Option("--xattrs", help="Extended attributes too.")] = False,
    acls: Annotated[bool, typer.Option("--acls", help="Access control lists too.")] = False,
    compression: Annotated[
        Compression | None, typer.Option("--compression", help="How to compress. [default: gzip]")
    ] = None,
    level: Annotated[int | None, typer.Option("--level", min=0, max=9, help="The compressor's level.")] = None,
    incremental: Annotated[
        bool,
        typer.Option("--incremental", help="Only what has changed; all of it every 7 days, or when that is better."),
    ] = False,
    patience: Annotated[
        str,
        typer.Option(
            "--patience",
            help="How long to try again while there is no free slot, or as many uploads as you may have. "
            "[default: 10m, or what the profile says]",
        ),
    ] = "",
    tag: Annotated[list[str] | None, typer.Option("--tag", help="A word to find the backup by. Repeatable.")] = None,
    encrypt_to: Annotated[
        list[str] | None,
        typer.Option(
            "--encrypt-to", metavar="KEY", help="A public key (age1…, ssh-ed25519 …), or a file of them. Repeatable."
        ),
    ] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Only tell what would be done.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")] = False,
    config: ConfigOption = None,
    accept_new: AcceptNewOption = False,
    as_json: JsonOption = False,
) -> None:
    """Back up what profiles of the configuration say, or directories; ends when all is archived, checked and durable.

    Several profiles run one after the other; one that fails keeps no other from being run.

    Example: thaniya-client backup nightly

    Example: thaniya-client backup /home /etc --name nightly --exclude .cache
    """
    if not name:
        _refuse_for_profiles(
            {
                "--exclude": bool(exclude),
                "--one-file-system": one_file_system,
                "--xattrs": xattrs,
                "--acls": acls,
                "--compression": compression is not None,
                "--level": level is not None,
                "--incremental": incremental,
                "--encrypt-to": bool(encrypt_to),
            }
        )
        run_profiles(
            names,
            config,
            accept_new=accept_new,
            as_json=as_json,
            quiet=quiet,
            simulate=simulate,
            tags=tag or (),
            patience_s=parse_duration(patience) if patience else None,
        )
        return
    paths = [Path(path).absolute() for path in names]
    tasks = [
        Directory(
            path,
            name=archive_name,
            exclude=exclude or (),
            one_file_system=one_file_system,
            xattrs=xattrs,
            acls=acls,
            compression=compression or Compression.GZIP,
            level=level,
            incremental=incremental,
        )
        for path, archive_name in zip(paths, archive_names(paths), strict=True)
    ]
    settings = load(config)
    with connect(settings, accept_new) as target:
        with show_progress(as_json, quiet=quiet) as on_progress:
            report = target.backup(
                *tasks,
                name=name,
                host=settings.host or None,
                patience_s=parse_duration(patience or _DEFAULT_PATIENCE),
                on_progress=on_progress,
                tags=tag or (),
                encrypt_to=encrypt_to or (),
                simulate=simulate,
            )
        show_report(report, as_json=as_json, quiet=quiet)
    if report.warning_count:
        raise typer.Exit(ExitCode.WARNINGS)


def archive_names(paths: list[Path]) -> list[str]:
    """A name for each directory's archive: its own name, or the whole path where names would be the same twice."""
    short = [default_name(path) for path in paths]
    return [
        name if short.count(name) == 1 else default_name(Path("-".join(path.parts[1:])))
        for path, name in zip(paths, short, strict=True)
    ]


def _refuse_for_profiles(given: dict[str, bool]) -> None:
    options = [option for option, is_given in given.items() if is_given]
    if options:
        raise WrongUsage(
            f"{', '.join(options)}: for directories, with --name SERIES; a profile says so in the configuration",
            hint="thaniya-client backup /home --name nightly --exclude .cache",
        )
