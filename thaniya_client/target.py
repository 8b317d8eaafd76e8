"""The verbs of the library: the same for every place that keeps backups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from thaniya_client.around.limits import Limits, check_limits
from thaniya_client.around.run import run_backup
from thaniya_client.around.simulation import simulate_backup
from thaniya_client.around.steps import AfterStep, BeforeStep, OnErrorStep, check_steps
from thaniya_client.connectors.interface import Connector
from thaniya_client.driver import default_host
from thaniya_client.encryption.identities import read_identities
from thaniya_client.encryption.recipients import read_recipients
from thaniya_client.restoring.contents import list_contents
from thaniya_client.restoring.differences import Difference, compare_backups
from thaniya_client.restoring.download import download_files
from thaniya_client.restoring.fetching import copy_file_to
from thaniya_client.restoring.finding import Found, compile_pattern, find_paths
from thaniya_client.restoring.moments import newest_good, parse_moment
from thaniya_client.restoring.one_file import copy_inside_to
from thaniya_client.restoring.restore import restore_backup
from thaniya_client.tasks.interface import Task
from thaniya_client.values import OnProgress, Report, Restored
from thaniya_core.formats.contents import ContentsEntry
from thaniya_core.formats.manifest import BackupDocument
from thaniya_core.formats.names import Series, check_host, check_series_name
from thaniya_core.formats.notes import check_tags
from thaniya_core.formats.protocol import BackupSummary


class Target:
    """A place that keeps backups, behind a connector. `ThaniyaServer` and `LocalDirectory` are targets.

    Use it in a `with` block, or call `close`. All verbs raise children of `ThaniyaError`. A target is for one thread.
    """

    def __init__(self, connector: Connector, place: str = "") -> None:
        """
        Args:
            connector: speaks with the place.
            place: what tells it from others: two runs of a series are kept apart by it and by the series' name.
        """
        self._connector = connector
        self._place = place

    def backup(
        self,
        *tasks: Task,
        name: str,
        host: str | None = None,
        wait: bool = True,
        patience_s: float = 600.0,
        on_progress: OnProgress | None = None,
        before: Iterable[BeforeStep] = (),
        after: Iterable[AfterStep] = (),
        on_error: Iterable[OnErrorStep] = (),
        retries: int = 0,
        retry_pause_s: float = 60.0,
        time_limit_s: float | None = None,
        bytes_per_s: int | None = None,
        nice: int | None = None,
        idle_disk: bool = False,
        tags: Iterable[str] = (),
        encrypt_to: Iterable[str | Path] = (),
        simulate: bool = False,
    ) -> Report:
        """Make a backup and come back when it is archived: checked, durable, in its place.

        Args:
            tasks: what to back up, as `Directory("/home")`.
            name: the series, as `nightly`; with user and host it is the line of backups that belong together.
            host: the series' host; by default this machine's name.
            wait: with False, come back as soon as everything is received; the report's state is then `spooled`.
            patience_s: how long to try again while there is no free slot, or there are as many uploads as you may have;
                0: not at all.
            on_progress: is called with a `Progress` about ten times a second.
            before: steps before anything else, in this order: a function, a program as `["systemctl", "stop", "shop"]`,
                or a ready-made step as `StoppedService("shop.service")`, which is taken back by itself. When one fails
                no backup is made.
            after: steps that are always done, in this order, when the backup has been made or has failed, after the
                ready-made steps of `before` were taken back. One that fails keeps no other from being done; when the
                backup was made, that is a warning of the report.
            on_error: steps when all that has ended and something failed: a function is called with the error, a program
                finds it in the variable THANIYA_ERROR.
            retries: how often the whole run, steps included, is tried again when it failed. What waiting does not mend
                is not: wrong usage, a refused key, the time limit.
            retry_pause_s: how long to wait before each.
            time_limit_s: give up after so many seconds, all tries together; steps are taken back all the same.
            bytes_per_s: send no faster, as stored: after compression.
            nice: run with at least this niceness, 0 to 19. Without privileges the calling thread keeps it afterwards.
            simulate: do nothing, and tell in the report's `plan` what would be done. Sources are looked at, programs
                looked for, and the server or directory is asked for the series.
            tags: words to find the backup by, as `before-upgrade`. People may change them later.
            encrypt_to: public keys that everything is encrypted to before it is sent (`age1…`, `ssh-ed25519 …`,
                `ssh-rsa …`), and files with a key in each line. Any one of the private keys opens it; none is needed
                here. Needs `pip install 'thaniya[encryption]'`.
            idle_disk: use the disk only while nobody else does, as `ionice -c idle` (heeded by the BFQ scheduler).

        Raises:
            IllegalName: the name, the host or a tag is not legal.
            WrongUsage: what is given in `encrypt_to` is no public key.
            OutOfTime: it was not done within `time_limit_s`.
            StepFailed: a step of `before` failed.
            SourceFailed: a source could not be packed; nothing is archived.
            Busy: another run of this account makes a backup of the same series now.
            Busy, NoSpace, NotAllowed: the server does not take it, or not now.
            ConnectionLost: the connection was lost and stayed lost.
            UploadRejected: what arrived is not what was sent.
        """
        host = default_host() if host is None else check_host(host)
        check_series_name(name)
        steps = check_steps(before, after, on_error)
        limits = check_limits(
            Limits(
                retries=retries,
                retry_pause_s=retry_pause_s,
                time_limit_s=time_limit_s,
                bytes_per_s=bytes_per_s,
                nice=nice,
                idle_disk=idle_disk,
            )
        )
        told_tags = check_tags(tags)
        recipients = read_recipients(encrypt_to)
        if simulate:
            series = Series(self._user(), host, name)
            newest = next(iter(self.backups(host=host, name=name)), None)
            newest_id = newest.id if newest else ""
            return simulate_backup(repr(self), series, newest_id, tasks, steps, limits, told_tags, recipients)
        return run_backup(
            self._connector,
            self._place,
            tasks,
            name=name,
            host=host,
            wait=wait,
            patience_s=patience_s,
            on_progress=on_progress,
            steps=steps,
            limits=limits,
            tags=told_tags,
            recipients=recipients,
        )

    def _user(self) -> str:
        """Who backs up there: the series' first part."""
        return ""

    def restore(
        self,
        backup_id: str,
        *,
        into: str | Path,
        paths: Iterable[str] = (),
        overwrite: bool = False,
        on_progress: OnProgress | None = None,
        identities: Iterable[str | Path] = (),
    ) -> Restored:
        """Restore a backup, or some paths of it. Every byte read is checked against the backup's sums.

        An increment is restored with all that it builds on.

        A file `.thaniya-restoring-ID` lies in the target while the restore runs; when it is still there afterwards, the
        restore was interrupted or failed. The same restore may be run again into it.

        Args:
            backup_id: the backup, as in a report or a list.
            into: a directory that is empty or not there yet.
            paths: files and directories as `files` lists them, with or without a leading `./` or `/`; none: all.
            overwrite: allow a directory that is not empty; files of the same names are replaced. Not for an increment.
            on_progress: is called with a `Progress` about ten times a second.
            identities: files with private keys that open an encrypted backup: of age-keygen, or SSH keys.

        Raises:
            IdentityNeeded: it is encrypted, and no key is given, or none that opens it.
            NotFound: there is no such backup, or no such path in it, or a backup that it builds on is not there.
            AlreadyExists: the target is not empty.
            WrongUsage: a path leads out of the backup, or the target is no directory.
            IntegrityFailed: a sum does not match; what was restored is not to be trusted.
        """
        return restore_backup(
            self._connector,
            backup_id,
            Path(into).expanduser(),
            tuple(paths),
            overwrite=overwrite,
            on_progress=on_progress,
            identities=read_identities(identities),
        )

    def restore_file(self, backup_id: str, path: str, into: BinaryIO, *, identities: Iterable[str | Path] = ()) -> int:
        """Write one file from inside a backup to a stream; gives the number of its bytes.

        The sum is that of the whole archive, which is read to its end after the file was written: when this raises,
        what was written is not to be trusted. Of an increment it is taken from the backup of the chain that holds it.

        Args:
            backup_id: the backup.
            path: as `files` lists it, or the name of a plain file. A hard link gives the file it is a name of.
            into: a binary stream.
            identities: files with private keys that open an encrypted backup.

        Raises:
            IdentityNeeded: it is encrypted, and no key is given, or none that opens it.
            NotFound: there is no such backup or file, or no list says which backup an increment has it from.
            WrongUsage: it is a directory or a symbolic link.
            IntegrityFailed: the sum does not match.
        """
        return copy_inside_to(self._connector, backup_id, path, into, read_identities(identities))

    def find_backup(self, *, name: str = "", host: str = "", at: str | date | datetime | None = None) -> BackupSummary:
        """The newest good backup of a series, now or at a time.

        Args:
            name: of the series; may be left out where the backups are all of one.
            host: of the series; likewise.
            at: created then or before, by the server's clock: `2026-03-01`, which means the end of that day in local
                time, or an RFC 3339 time, which is local where it has no zone.

        Raises:
            NotFound: there is none; the error names the oldest one there is.
            WrongUsage: `at` is no time, or there are several series.
        """
        moment = None if at is None else parse_moment(at)
        wanted = "/".join(part for part in (host, name) if part) or "your backups"
        wanted += "" if moment is None else f" at {moment.astimezone():%Y-%m-%d %H:%M:%S}"
        return newest_good(self.backups(host=host, name=name), moment, wanted)

    def find(
        self,
        pattern: str,
        *,
        regex: bool = False,
        host: str = "",
        name: str = "",
        newest: int | None = None,
        on_problem: Callable[[str], None] | None = None,
        identities: Iterable[str | Path] = (),
    ) -> Iterator[Found]:
        """Look for paths in your backups, the newest backup first, by their contents lists.

        Args:
            pattern: without a slash it is compared with each name, with one with the whole path from the top on;
                `*`, `?` and `[…]` match no slash.
            regex: it is a regular expression of Python, searched for in the whole path.
            host: of this host's backups only.
            name: of the backups of this name only.
            newest: in so many backups at the most.
            on_problem: is called with what could not be looked into: an archive without a list, a damaged list, one
                that no given key opens.
            identities: files with private keys that open encrypted backups.

        Raises:
            WrongUsage: it is no pattern.
            IdentityNeeded: a list is encrypted, no given key opens it, and there is no `on_problem`.
            NotFound: there is no list, and no `on_problem`.
            IntegrityFailed: a list is damaged, and there is no `on_problem`.
        """
        fits = compile_pattern(pattern, is_regex=regex)
        keys = read_identities(identities)
        return find_paths(self._connector, islice(self.backups(host=host, name=name), newest), fits, on_problem, keys)

    def diff(self, before_id: str, after_id: str, *, identities: Iterable[str | Path] = ()) -> Iterator[Difference]:
        """What is not the same in two backups, in the order of paths, by their contents lists.

        Plain files are compared by their sums, members of archives by size, mode, owner, time and a link's target.
        Plain files that are encrypted are read as a whole for that.

        Args:
            before_id, after_id: the backups.
            identities: files with private keys that open encrypted backups.

        Raises:
            IdentityNeeded: one is encrypted, and no key is given, or none that opens it.
            NotFound: there is no such backup, or an archive has no contents list.
            IntegrityFailed: a list is damaged.
        """
        return compare_backups(self._connector, before_id, after_id, read_identities(identities))

    def backups(self, *, host: str = "", name: str = "") -> Iterator[BackupSummary]:
        """Your backups, the newest first; a host or name narrows the list."""
        return self._connector.backups(host, name)

    def show(self, backup_id: str) -> BackupDocument:
        """All that is known of a backup: its backup.json.

        Raises:
            NotFound: there is no such backup.
        """
        return self._connector.document(backup_id)

    def files(self, backup_id: str, *, identities: Iterable[str | Path] = ()) -> Iterator[ContentsEntry]:
        """What is inside a backup, one entry a path, from its contents lists.

        Of an increment it is the whole tree, with what lies in the backups that it builds on.

        Args:
            backup_id: the backup.
            identities: files with private keys that open an encrypted backup.

        Raises:
            IdentityNeeded: it is encrypted, and no key is given, or none that opens it.
            NotFound: there is no such backup, or it has no contents list.
        """
        return list_contents(self._connector, backup_id, read_identities(identities))

    def fetch(self, backup_id: str, file: str, into: BinaryIO, *, identities: Iterable[str | Path] = ()) -> int:
        """Copy one file of a backup into a stream; gives the number of bytes.

        It comes as it is stored; by the name it was uploaded under, where the archive has compressed it, as uploaded;
        by its name without `.age`, where it is encrypted, decrypted.

        Args:
            backup_id: the backup.
            file: `home.tar.gz`, `client.log`, or also `backup.json`, `SHA256SUMS`, `RESTORE.txt`.
            into: a binary stream.
            identities: files with private keys, for a file that is wanted decrypted.

        Raises:
            IdentityNeeded: it is wanted decrypted, and no key is given, or none that opens it.
            NotFound: there is no such backup or file.
            IntegrityFailed: the sum does not match.
        """
        return copy_file_to(self._connector, backup_id, file, into, read_identities(identities))

    def fetch_files(
        self,
        backup_id: str,
        *,
        into: str | Path,
        files: Iterable[str] = (),
        overwrite: bool = False,
        on_progress: OnProgress | None = None,
    ) -> tuple[Path, ...]:
        """Copy files of a backup into a directory as they are stored, and give their paths.

        All of them are what lies in the archive: `sha256sum -c SHA256SUMS` checks, and `sh RESTORE.txt` restores it. A
        file is written as `.NAME.part` and gets its name when its sum is right and it is durable.

        Args:
            backup_id: the backup.
            into: a directory; it is made where it is not there.
            files: their names as they are stored, `backup.json`, `RESTORE.txt` or `SHA256SUMS`; none: all.
            overwrite: replace files of the same names.
            on_progress: is called with a `Progress` about ten times a second.

        Raises:
            NotFound: there is no such backup or file.
            AlreadyExists: one of the files is there, and `overwrite` is not set; nothing was written.
            IntegrityFailed: a sum does not match; files before it are there, this one is not.
        """
        place = Path(into).expanduser()
        names = tuple(files)
        return download_files(self._connector, backup_id, place, names, overwrite=overwrite, on_progress=on_progress)

    def close(self) -> None:
        """Let go of connections. Harmless when repeated."""
        self._connector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
