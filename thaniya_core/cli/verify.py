"""`thaniya backup verify`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from random import SystemRandom
from typing import Annotated

import typer

from thaniya_core.archive.due import Reading, choose_sample, last_reading, older_than
from thaniya_core.cli.context import actor, server_of
from thaniya_core.cli.output import JsonOption
from thaniya_core.errors import IntegrityFailed, NotFound, ThaniyaError, WrongUsage
from thaniya_core.formats.manifest import first_encrypted
from thaniya_core.formats.names import parse_series
from thaniya_core.formats.quantities import parse_duration, parse_percent, parse_size
from thaniya_core.model import Backup
from thaniya_core.server import Server
from thaniya_core.system.harmless import make_harmless
from thaniya_core.system.terminal import progress_bar, show_json
from thaniya_core.system.throttle import Throttle


def verify(
    context: typer.Context,
    backup_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Which backups.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All backups.")] = False,
    series: Annotated[str, typer.Option(help="Those of this series: user/host/name.")] = "",
    older: Annotated[
        str, typer.Option("--older-than", metavar="TIME", help="Those that were read longer ago than this: 30d.")
    ] = "",
    sample: Annotated[str, typer.Option(metavar="PERCENT", help="Of these, so many by chance: 5%.")] = "",
    limit_rate: Annotated[str, typer.Option(metavar="SIZE", help="Read no more in a second than this: 50M.")] = "",
    test_restore: Annotated[
        bool, typer.Option("--test-restore", help="Restore each on trial, compare and remove it.")
    ] = False,
    scratch: Annotated[
        Path | None, typer.Option(metavar="DIRECTORY", help="Where to restore on trial. [default: the backup's volume]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read backups again: every byte's sum, every archive listed to its end; exit code 8 when one is broken.

    Of what a client has encrypted the sums alone are checked, and there is no trial.

    Example: thaniya backup verify --older-than 30d --sample 5% --limit-rate 50M
    """
    server = server_of(context)
    if scratch is not None and not test_restore:
        raise WrongUsage("--scratch says where --test-restore restores", hint="add --test-restore")
    readings = _choose(server, backup_ids or [], everything, series, older, sample)
    rate = parse_size(limit_rate) if limit_rate else None
    broken = 0
    failures: list[ThaniyaError] = []
    count = 0
    for reading in readings:
        backup = server.catalog.find_in(reading.series, reading.backup_id)
        if backup is None:
            continue  # it has been removed meanwhile
        count += 1
        try:
            trial = (scratch or server.backups.trial_place(backup)) if test_restore else None
            damage = _verify_one(server, backup, rate, trial)
        except ThaniyaError as error:
            failures.append(error)  # one that cannot be read must not keep the others from being verified
            _tell(backup, f"cannot be verified: {error.message}", as_json, is_good=False)
        else:
            broken += bool(damage)
            note = _unseen(backup, test_restore) if not damage else ""
            _tell(backup, damage, as_json, is_good=not damage, note=note)
    if broken:
        raise IntegrityFailed(f"{broken} of {count} backups are broken", hint="make new backups of these series")
    if failures:
        raise failures[0]
    if not count and not as_json:
        print("no backup fits")


def _verify_one(server: Server, backup: Backup, rate: int | None, trial: Path | None) -> str:
    """Verify a backup; gives what is wrong with it."""
    throttle = Throttle(server.clock, rate)
    with progress_bar(backup.id, backup.document.stored_bytes) as advance:

        def on_chunk(count: int) -> None:
            advance(count)
            throttle(count)

        return server.backups.verify(backup, actor(), on_chunk, trial=trial).broken


def _choose(
    server: Server, backup_ids: list[str], everything: bool, series: str, older: str, sample: str
) -> list[Reading]:
    """The backups that the options ask for, the one read longest ago first where it is not a list of ids.

    Raises:
        WrongUsage: the options contradict each other, or one is not understood.
        NotFound: there is no backup of an id, or none of the series.
    """
    if bool(backup_ids) == bool(everything or series or older or sample):
        raise WrongUsage("give ids; or --all, --series, --older-than, --sample, or several of these")
    if backup_ids:
        return [last_reading(server.catalog.get(one)) for one in backup_ids]
    wanted = parse_series(series) if series else None
    found = server.catalog.each_unsorted() if wanted is None else server.catalog.of_series(wanted)
    if wanted is not None and not found:
        raise NotFound(f"there is no backup of the series {wanted}", hint="see `thaniya backup list`")
    readings = map(last_reading, found)
    if older:
        chosen = older_than(readings, server.clock.now(), timedelta(seconds=parse_duration(older)))
    else:
        chosen = sorted(readings)
    return choose_sample(chosen, parse_percent(sample), SystemRandom()) if sample else chosen


def _unseen(backup: Backup, test_restore: bool) -> str:
    """What could not be looked at because it is encrypted; empty where nothing is."""
    if first_encrypted(backup.document.files) is None:
        return ""
    no_trial = ", and it cannot be restored on trial" if test_restore else ""
    return f"all sums are right; it is encrypted, so nothing was listed{no_trial}"


def _tell(backup: Backup, damage: str, as_json: bool, *, is_good: bool, note: str = "") -> None:
    if as_json:
        show_json({"message_type": "verified", "id": backup.id, "good": is_good, "damage": damage, "note": note})
    else:
        told = make_harmless(damage) or "good" + (f": {note}" if note else "")
        print(f"{backup.id} {backup.series}: {told}")
