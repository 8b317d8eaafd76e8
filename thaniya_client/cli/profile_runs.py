"""Runs profiles one after the other, and tells how each ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from thaniya_client.cli.options import connect
from thaniya_client.cli.progress import show_progress
from thaniya_client.cli.report import show_report
from thaniya_client.config import find_config, load_config, place_of
from thaniya_client.profiles.reading import read_profile
from thaniya_client.profiles.running import run_profile
from thaniya_core.errors import ExitCode, ThaniyaError
from thaniya_core.system.files import from_os_error
from thaniya_core.system.terminal import show_error


def run_profiles(
    names: Sequence[str],
    config: Path | None,
    *,
    accept_new: bool,
    as_json: bool,
    quiet: bool,
    simulate: bool,
    tags: Sequence[str],
    patience_s: int | None,
) -> None:
    """Run profiles; all are read before the first is run.

    Raises:
        ThaniyaError: a profile is not there or wrong, and nothing was run; or the only one failed.
        Exit: several were run, and one failed or had warnings.
    """
    file = find_config(config)
    settings = load_config(file)
    profiles = {name: read_profile(file, settings, name) for name in names}
    codes: list[ExitCode] = []
    for name, profile in profiles.items():
        try:
            with connect(place_of(settings, profile.target), accept_new) as target:
                with show_progress(as_json, quiet=quiet) as on_progress:
                    report = run_profile(
                        profile,
                        target,
                        tags=tags,
                        patience_s=patience_s,
                        on_progress=on_progress,
                        simulate=simulate,
                    )
                show_report(report, as_json=as_json, quiet=quiet, profile=name)
        except (ThaniyaError, OSError) as exc:
            error = from_os_error("make this backup", exc) if isinstance(exc, OSError) else exc
            error.facts["profile"] = name
            if len(profiles) == 1:
                raise
            show_error(f"thaniya-client: {name}", error, as_json=as_json)
            codes.append(error.exit_code)
        else:
            codes.append(ExitCode.WARNINGS if report.warning_count else ExitCode.DONE)
    _end(codes)


def _end(codes: Sequence[ExitCode]) -> None:
    """End with the code of the first that failed, or that of warnings."""
    failed = [code for code in codes if code not in (ExitCode.DONE, ExitCode.WARNINGS)]
    if failed or ExitCode.WARNINGS in codes:
        raise typer.Exit(failed[0] if failed else ExitCode.WARNINGS)
