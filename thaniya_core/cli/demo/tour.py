"""The demo's way: server, user, backup, change, backup, list, verify, restore twice."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from thaniya_client import Directory, Progress, Report, ThaniyaServer
from thaniya_core.cli.demo.compare import find_differences
from thaniya_core.cli.demo.screen import Screen, Step
from thaniya_core.cli.demo.service import Listening, make_key, running_service
from thaniya_core.cli.demo.sources import change_some_files, copy_sources, measure_tree
from thaniya_core.errors import IntegrityFailed
from thaniya_core.initialise import initialise
from thaniya_core.server import Server
from thaniya_core.system.run import run

T = TypeVar("T")

USER = "demo"
ACTOR = "demo"

_RUN_S = 6 * 3600.0


class Tour:
    """One run of the demo in a directory of its own."""

    def __init__(self, directory: Path, screen: Screen) -> None:
        self._directory = directory
        self._screen = screen
        self._source = directory / "source"
        self._key = directory / "id_ed25519"
        self.steps: list[Step] = []

    def run(self, sources: list[Path]) -> Server:
        """Go the whole way, and give the server that now holds the backups.

        Raises:
            ThaniyaError: something on the way did not work, or what was restored is not what was backed up.
        """
        self._copy(sources)
        server = self._step("make a server and a user", self._make_server)
        with running_service(server.config.file) as listening:
            self._use(server, listening)
        return server

    def _use(self, server: Server, listening: Listening) -> None:
        self._screen.say(f"  the server listens on {listening.address} port {listening.port}")
        with ThaniyaServer(
            listening.address,
            port=listening.port,
            key=self._key,
            known_hosts=self._directory / "known_hosts",
            fingerprint=listening.host_key,
        ) as client:
            self._back_up(client, "first backup")
            self._step("change some files", lambda: change_some_files(self._source), lambda count: f"{count} files")
            last = self._back_up(client, "second backup")
            self._step("list", lambda: list(client.backups()), lambda backups: f"{len(backups)} backups")
            self._step("verify", lambda: self._verify(server), lambda count: f"{count} backups good")
            self._restore_by_client(client, last)
        self._restore_by_shell(server, last)

    def _copy(self, sources: list[Path]) -> None:
        self._screen.say("copying the source, so that your own files are not touched")
        complaints = self._step("copy the source", lambda: copy_sources(sources, self._source))
        for complaint in complaints[:5]:
            self._screen.say(f"    left out: {complaint}")
        tree = measure_tree(self._source)
        self.steps[-1] = msgspec.structs.replace(self.steps[-1], size_bytes=tree.size_bytes, files=tree.files)

    def _make_server(self) -> Server:
        server = initialise(self._directory / "server", ACTOR, port=0)
        public_key = make_key(self._key)
        server.users.add(USER, [public_key], ACTOR)
        return server

    def _back_up(self, client: ThaniyaServer, name: str) -> Report:
        with self._screen.bar(name) as bar:

            def tell(progress: Progress) -> None:
                bar.set(progress.read_bytes, progress.expected_bytes)

            report = self._step(
                name,
                lambda: client.backup(Directory(self._source), name="files", host="demo", on_progress=tell),
                lambda made: f"archived, {made.stored_bytes / 1e6:.1f} MB stored",
                lambda made: (made.original_bytes, made.entries),
            )
        for warning in report.warnings[:5]:
            self._screen.say(f"    warning: {warning}")
        return report

    def _verify(self, server: Server) -> int:
        backups = server.catalog.find()
        for backup in backups:
            damage = server.backups.verify(backup, ACTOR).broken
            if damage:
                raise IntegrityFailed(f"the backup {backup.id} is broken: {damage}")
        return len(backups)

    def _restore_by_client(self, client: ThaniyaServer, report: Report) -> None:
        target = self._directory / "restored-by-client"
        with self._screen.bar("restore") as bar:

            def tell(progress: Progress) -> None:
                bar.set(progress.read_bytes, progress.expected_bytes)

            self._step(
                "restore with the client",
                lambda: client.restore(report.id, into=target, on_progress=tell),
                measure=lambda restored: (restored.original_bytes, report.entries),
            )
        self._compare("compare byte for byte", target)

    def _restore_by_shell(self, server: Server, report: Report) -> None:
        script = server.catalog.directory(server.catalog.get(report.id)) / "RESTORE.txt"
        target = self._directory / "restored-by-shell"
        plain = {"PATH": os.defpath + ":/bin:/usr/bin", "PYTHONPATH": ""}
        self._step(
            "restore by RESTORE.txt alone",
            lambda: run(["/bin/sh", str(script), str(target)], timeout_s=_RUN_S, env=plain),
            lambda _: "sha256sum, gzip, tar",
            lambda _: (report.original_bytes, report.entries),
        )
        self._compare("compare byte for byte", target)

    def _compare(self, name: str, target: Path) -> None:
        tree = measure_tree(self._source)
        differences = self._step(
            name,
            lambda: find_differences(self._source, target),
            lambda found: "the same" if not found else f"{len(found)} DIFFERENCES",
            lambda _: (tree.size_bytes, tree.files),
        )
        if differences:
            raise IntegrityFailed("what was restored is not what was backed up: " + "; ".join(differences))
        shutil.rmtree(target)

    def _step(
        self,
        name: str,
        work: Callable[[], T],
        result: Callable[[T], str] = lambda _: "",
        measure: Callable[[T], tuple[int, int]] | None = None,
    ) -> T:
        begun = time.perf_counter()
        value = work()
        seconds = time.perf_counter() - begun
        size, files = measure(value) if measure else (None, None)
        step = Step(name, seconds, size, files, result(value))
        self.steps.append(step)
        self._screen.finish_step(step)
        return value
