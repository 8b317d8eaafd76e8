"""The way of a backup's bytes: written by a task, compressed, encrypted, summed and sent as a stream."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import IO, cast

import msgspec

from thaniya_client.connectors.interface import FileWriter, Upload
from thaniya_client.encryption.encrypting import EncryptingWriter
from thaniya_client.encryption.recipients import Recipients
from thaniya_client.incremental.run import Increments, WorkingSnapshot
from thaniya_client.log import ClientLog
from thaniya_client.meter import Meter
from thaniya_client.paced_writer import PacedWriter
from thaniya_core.errors import ThaniyaError, WrongUsage
from thaniya_core.formats.compression import Compression, open_writer
from thaniya_core.formats.encryption import Encryption
from thaniya_core.formats.manifest import BackupFile, FileKind
from thaniya_core.formats.names import check_file
from thaniya_core.formats.recipes import Recipe, check_recipes
from thaniya_core.system.streams import HashingWriter

_READ_BYTES = 1024 * 1024


class Packer:
    """Takes the files of one backup from its tasks."""

    def __init__(
        self,
        upload: Upload,
        log: ClientLog,
        meter: Meter,
        increments: Increments | None = None,
        bytes_per_s: int | None = None,
        recipients: Recipients | None = None,
    ) -> None:
        self._recipients = recipients
        self._encryption = Encryption.NONE if recipients is None else Encryption.AGE
        self._upload = upload
        self._increments = increments
        self._bytes_per_s = bytes_per_s
        self._log = log
        self._meter = meter
        self._names: set[str] = set()
        self._files: list[BackupFile] = []
        self._recipes: tuple[Recipe, ...] = ()

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """What has been said of how to restore so far."""
        return self._recipes

    @property
    def files(self) -> tuple[BackupFile, ...]:
        """What has been written so far."""
        return tuple(self._files)

    def open(
        self,
        name: str,
        *,
        kind: FileKind = FileKind.FILE,
        compression: Compression = Compression.NONE,
        level: int | None = None,
        xattrs: bool = False,
        acls: bool = False,
        incremental: bool = False,
    ) -> PackedFile:
        """Begin a file of the backup. Use it in a `with` block: leaving that by an exception gives the file up.

        Args:
            name: the file's name before compression, `home.tar`; the suffixes are added.
            kind: how the file is restored. A compressed plain FILE is restored compressed.
            compression: how it is stored.
            level: the compressor's level; None: fast rather than small.
            xattrs: a tar archive holds extended attributes.
            acls: a tar archive holds access control lists.
            incremental: a tar archive is an increment on that of the backup's parent.

        Raises:
            IllegalName: no uploaded file may bear that name.
            WrongUsage: another task wrote a file of that name.
        """
        stored_name = self._claim(name + compression.suffix)
        described = BackupFile(
            stored_name,
            "",
            kind=kind,
            compression=compression,
            encryption=self._encryption,
            xattrs=xattrs,
            acls=acls,
            incremental=incremental,
        )
        return self._begin(described, level)

    def store(
        self,
        name: str,
        source: IO[bytes],
        *,
        kind: FileKind = FileKind.FILE,
        compression: Compression = Compression.NONE,
        original_bytes: int | None = None,
        entries: int | None = None,
        describes: str | None = None,
    ) -> None:
        """Add a file that is there already, byte for byte.

        Args:
            name: its whole name before encryption, `home.files.gz`.
            source: the file, open where it begins.
            kind: how the file is restored.
            compression: how `source` is compressed.
            original_bytes: its size before that; None where it is not compressed.
            entries: how many members it lists.
            describes: for a contents list: the tar archive it lists.
        """
        stored_name = self._claim(name)
        described = BackupFile(
            stored_name,
            "",
            kind=kind,
            compression=compression,
            encryption=self._encryption,
            entries=entries,
            describes=describes,
        )
        with self._begin(described, compress=False) as file:
            while chunk := source.read(_READ_BYTES):
                file.write(chunk)
            file.original_bytes = file.original_bytes if original_bytes is None else original_bytes

    def warn(self, text: str) -> None:
        """Note that something is not backed up as it should be. The backup goes on and ends with exit code 3."""
        self._log.warn(text)

    def add_recipe(self, title: str, *lines: str) -> None:
        """Say what is to be done with the restored files; RESTORE.txt shows it after its own commands.

        Args:
            title: what it is for: `MySQL database shop`.
            lines: commands for sh and `# comments`, one line each, to be run by a person in the directory that was
                restored into. No passwords: whoever reads the backup's RESTORE.txt sees them.

        Raises:
            WrongUsage: a line with a control character or of more than 500 characters, or too many of them.
        """
        self._recipes = check_recipes((*self._recipes, Recipe(title, lines)))

    def told_warnings(self, warnings: tuple[str, ...]) -> tuple[str, ...]:
        """What the place of backups gets to read of warnings: of an encrypted backup not the names that they hold."""
        if self._encryption is Encryption.NONE or not warnings:
            return warnings
        return ("what could not be backed up may name files, so it is told in client.log.age, which is encrypted",)

    def note(self, text: str) -> None:
        """Write a line to client.log."""
        self._log.note(text)

    def working_snapshot(self, name: str) -> WorkingSnapshot | None:
        """The snapshot file that an archive is made with; None where no increments are wanted or possible.

        Args:
            name: of the archive, without suffixes.
        """
        return None if self._increments is None else self._increments.working_snapshot(name)

    def count_entries(self, number: int = 1) -> None:
        """Tell that members were packed, for the progress only."""
        self._meter.add(entries=number)

    def _begin(self, described: BackupFile, level: int | None = None, *, compress: bool = True) -> PackedFile:
        writer = self._upload.open(described.name)
        if self._bytes_per_s:
            writer = PacedWriter(writer, self._bytes_per_s)
        return PackedFile(
            described,
            writer,
            level,
            self._meter,
            self._files.append,
            compress=compress,
            recipients=self._recipients,
        )

    def _claim(self, name: str) -> str:
        """Take a name, and that under which the file is stored when it is encrypted; gives the latter."""
        stored_name = name + self._encryption.suffix
        for each in {name, stored_name}:
            check_file(each)
            if each in self._names:
                raise WrongUsage(
                    f"two tasks write a file {each}",
                    hint='give one of them another name, as in Directory(path, name="home2")',
                )
        self._names |= {name, stored_name}
        return stored_name


class PackedFile:
    """A file of the backup while it is written."""

    def __init__(
        self,
        described: BackupFile,
        writer: FileWriter,
        level: int | None,
        meter: Meter,
        on_done: Callable[[BackupFile], None],
        *,
        compress: bool = True,
        recipients: Recipients | None = None,
    ) -> None:
        self.original_bytes = 0
        """Bytes before compression so far."""
        self.entries = described.entries
        """Members of a tar archive; set it before the block ends."""
        self._described = described
        self._writer = writer
        self._meter = meter
        self._on_done = on_done
        self._sink = _Sink(writer, meter)
        self._sums = HashingWriter(self._sink)
        self._encrypted = None if recipients is None else EncryptingWriter(self._sums, recipients)
        self._stream = open_writer(
            cast(IO[bytes], self._encrypted or self._sums),
            described.compression if compress else Compression.NONE,
            level,
        )

    @property
    def name(self) -> str:
        """As it is stored: `home.tar.gz`, encrypted `home.tar.gz.age`."""
        return self._described.name

    @property
    def restored_name(self) -> str:
        """For a recipe: what the file is called where it is restored, decrypted."""
        return self._described.restored_name

    @property
    def read_command(self) -> str:
        """For a recipe: the shell command that writes the restored file, decompressed, to its output."""
        return f"{self._described.compression.decompress_command} ./{self.restored_name}"

    def write(self, data: bytes) -> int:
        """Write the next bytes; they are compressed and sent on the way."""
        self._stream.write(data)
        self.original_bytes += len(data)
        self._meter.add(read_bytes=len(data))
        self._meter.tick()
        return len(data)

    def __enter__(self) -> PackedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._abandon()
            return
        try:
            self._stream.close()
            if self._encrypted is not None:
                self._encrypted.close()
            self._writer.close()
        except BaseException:
            self._abandon()
            raise
        self._on_done(
            msgspec.structs.replace(
                self._described,
                sha256=self._sums.sha256,
                size_bytes=self._sums.size_bytes,
                original_bytes=self.original_bytes,
                entries=self.entries,
            )
        )

    def _abandon(self) -> None:
        """Free the threads of compressor and encryption, which may wait for the network, and end them."""
        self._sink.abandon()
        try:
            self._stream.close()
        except (ThaniyaError, OSError, ValueError):
            pass  # a second report of the failure that ended the file
        if self._encrypted is not None:
            self._encrypted.abandon()


class _Sink:
    """Where the compressed bytes go: summed, counted and sent; after `abandon` they are dropped."""

    def __init__(self, writer: FileWriter, meter: Meter) -> None:
        self._writer = writer
        self._meter = meter
        self._is_abandoned = False

    def write(self, data: bytes) -> int:
        if not self._is_abandoned:
            self._writer.write(data)
            self._meter.add(sent_bytes=len(data))
        return len(data)

    def abandon(self) -> None:
        self._is_abandoned = True
        self._writer.abandon()
