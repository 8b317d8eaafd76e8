"""Looks for paths in all backups, by their contents lists. Memory does not grow with the lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct

from thaniya_client.connectors.interface import Connector
from thaniya_client.restoring.contents import Inside, list_inside
from thaniya_client.tasks.patterns import PathMatcher
from thaniya_core.errors import IdentityNeeded, IntegrityFailed, NotFound, ThaniyaError, WrongUsage
from thaniya_core.formats.protocol import BackupSummary
from thaniya_core.formats.restoring import all_parts


class Found(Struct, frozen=True):
    """A path in a backup."""

    backup: BackupSummary
    inside: Inside


def find_paths(
    connector: Connector,
    backups: Iterable[BackupSummary],
    fits: Callable[[bytes], bool],
    on_problem: Callable[[str], None] | None,
    identities: Sequence[object] = (),
) -> Iterator[Found]:
    """See `Target.find`."""
    for backup in backups:
        try:
            document = connector.document(backup.id)
        except (NotFound, IntegrityFailed) as error:
            _tell(error, on_problem)
            continue
        for part in all_parts(document.files):
            try:
                for inside in list_inside(connector, document, part, identities):
                    if fits(inside.path):
                        yield Found(backup, inside)
            except (NotFound, IntegrityFailed, IdentityNeeded) as error:
                _tell(error, on_problem)


def compile_pattern(pattern: str, *, is_regex: bool) -> Callable[[bytes], bool]:
    """What says of a path, without a leading `./`, whether it fits.

    Raises:
        WrongUsage: it is no pattern.
    """
    if is_regex:
        try:
            expression = re.compile(pattern)
        except re.error as exc:
            raise WrongUsage(f"{pattern!r} is not a regular expression: {exc}") from exc
        return lambda path: expression.search(path.decode("utf-8", "surrogateescape")) is not None
    bare = pattern.removeprefix("./")
    if not bare.strip("/"):
        raise WrongUsage(f"{pattern!r} fits no path", hint="write a name like '*.conf' or a path like 'etc/*.conf'")
    return PathMatcher((bare,)).matches


def _tell(error: ThaniyaError, on_problem: Callable[[str], None] | None) -> None:
    if on_problem is None:
        raise error
    on_problem(error.message)
