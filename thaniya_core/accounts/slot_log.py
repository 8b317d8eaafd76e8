"""The slots' `/dev/log`: sockets at which the service hears what sshd and internal-sftp do within a slot's chroot.

Who logs by syslog(3) waits while a socket's queue is full, and the queue is short (net.unix.max_dgram_qlen). So a
thread that does nothing else empties the sockets; what it finds is fetched from it. A service that has ended leaves
nobody waiting: the kernel refuses datagrams to a socket that nobody holds, and syslog(3) gives up at once. While a
service is stopped (SIGSTOP), sessions wait, and go on with it.
"""

from __future__ import annotations

import errno
import logging
import os
import pwd
import selectors
import socket
import struct
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from thaniya_core.accounts.openssh import LOG_DIRECTORY
from thaniya_core.accounts.sftp_log import SlotSessions, parse_datagram
from thaniya_core.formats.names import check_slot
from thaniya_core.model import Refusal
from thaniya_core.system.clock import Clock

logger = logging.getLogger(__name__)

KEPT = 50
"""Refusals of a slot that wait to be fetched; what comes beyond is not kept."""

SOCKET = "log"
_DATAGRAM_BYTES = 2048
"""syslog(3) of sshd sends less than 600."""
_TURN = 100
"""Datagrams of one slot before the others have their turn."""
_CREDENTIALS = struct.Struct("iII")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_CREDENTIALS.size)


class SlotLog:
    """Listens at the slots' sockets, once it is started, until it is stopped."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        """
        Args:
            directory: where the slots' directories lie.
            clock: tells when something was refused.
        """
        self._directory = directory
        self._clock = clock
        self._lock = threading.Lock()
        self._slots: dict[str, _SlotSocket] = {}
        self._told: dict[str, str] = {}
        self._running: _Running | None = None

    def start(self) -> None:
        """Begin to listen, at the sockets that `listen_to` makes."""
        wake, woken = socket.socketpair()
        selector = selectors.DefaultSelector()
        selector.register(woken, selectors.EVENT_READ)
        thread = threading.Thread(target=self._drain, args=(selector,), name="slot log", daemon=True)
        self._running = _Running(thread, selector, wake, woken)
        thread.start()

    def stop(self) -> None:
        """End listening, and remove the sockets; harmless when it was not started."""
        running, self._running = self._running, None
        if running is None:
            return
        running.wake.send(b"\0")
        running.thread.join()
        running.selector.close()
        for slot in self._slots.values():
            slot.end()
        self._slots.clear()
        running.wake.close()
        running.woken.close()

    def listen_to(self, slots: Iterable[str]) -> None:
        """Have a socket in each of these slots and in no other; one that has vanished is made again.

        A slot where none can be made is told in the service's log, once, and tried again the next time.
        """
        if self._running is None:
            return
        if not self._running.thread.is_alive():
            logger.error("the thread that listens to the slots has ended; it is started again")
            self.stop()
            self.start()
        selector, wanted = self._running.selector, set(slots)
        for name in sorted(wanted | set(self._slots)):
            known = self._slots.get(name)
            if known is not None and (name not in wanted or not known.is_in_place()):
                self._forget(name, known, selector)
            if name in wanted and name not in self._slots:
                self._listen(name, selector)

    def take(self) -> list[Refusal]:
        """What was refused since the last call, in each slot in its order, KEPT a slot at the most."""
        with self._lock:
            return [refusal for slot in self._slots.values() for refusal in slot.take()]

    def _listen(self, name: str, selector: selectors.BaseSelector) -> None:
        try:
            slot = _SlotSocket(self._directory, name, self._clock)
        except (OSError, KeyError) as error:
            reason = str(error)
            if self._told.get(name) != reason:
                self._told[name] = reason
                logger.warning("%s: what is refused cannot be logged (run `thaniya setup openssh`): %s", name, reason)
            return
        self._told.pop(name, None)
        with self._lock:
            self._slots[name] = slot
        selector.register(slot.socket, selectors.EVENT_READ, slot)

    def _forget(self, name: str, slot: _SlotSocket, selector: selectors.BaseSelector) -> None:
        selector.unregister(slot.socket)
        with self._lock:
            del self._slots[name]
        slot.end()

    def _receive(self, slot: _SlotSocket) -> None:
        try:
            slot.receive(self._lock)
        except OSError as error:
            if error.errno != errno.EBADF:  # otherwise it was forgotten in this moment
                logger.error("%s is not listened to any more until it is made anew: %s", slot.name, error)
                slot.spoil()

    def _drain(self, selector: selectors.BaseSelector) -> None:
        try:
            while True:
                for key, _ in selector.select():
                    if key.data is None:
                        return
                    self._receive(key.data)
        finally:
            # Whatever ends this thread: nobody may wait for a socket that is not emptied.
            with self._lock:
                for slot in self._slots.values():
                    slot.socket.close()


class _Running(NamedTuple):
    """What there is while it listens."""

    thread: threading.Thread
    selector: selectors.BaseSelector
    wake: socket.socket
    """A byte sent here ends the thread, which waits at `woken` too."""
    woken: socket.socket


class _SlotSocket:
    """The socket of one slot, and what came through it."""

    def __init__(self, directory: Path, name: str, clock: Clock) -> None:
        """Bind it, in place of one that an earlier service left.

        Raises:
            KeyError: there is no such account.
            OSError: the directory is missing, or the socket cannot be made.
        """
        self.name = check_slot(name)
        self._is_spoilt = False
        self._uid = pwd.getpwnam(name).pw_uid
        self._sessions = SlotSessions(name, clock)
        self._waiting: list[Refusal] = []
        self._path = directory / name / LOG_DIRECTORY / SOCKET
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._inode = self._bind()
        except BaseException:
            self.socket.close()
            raise

    def _bind(self) -> tuple[int, int]:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        handle = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            try:
                os.unlink(SOCKET, dir_fd=handle)
            except FileNotFoundError:
                pass
            # By way of the handle: an address has room for 107 bytes only.
            self.socket.bind(f"/proc/self/fd/{handle}/{SOCKET}")
            os.chmod(SOCKET, 0o660, dir_fd=handle)
            status = os.stat(SOCKET, dir_fd=handle)
        finally:
            os.close(handle)
        return status.st_dev, status.st_ino

    def is_in_place(self) -> bool:
        """Whether the socket is where sessions look for it, and the account still the one it was made for."""
        try:
            status, uid = self._path.stat(), pwd.getpwnam(self.name).pw_uid
        except (OSError, KeyError):
            return False
        return not self._is_spoilt and (status.st_dev, status.st_ino, uid) == (*self._inode, self._uid)

    def spoil(self) -> None:
        """Have it replaced: it cannot be read. Until then it tells nothing and keeps nobody waiting."""
        self._is_spoilt = True
        self.socket.close()

    def receive(self, lock: threading.Lock) -> None:
        """Take in what has come, as much as one turn allows."""
        for _ in range(_TURN):
            try:
                data, ancillary, _, _ = self.socket.recvmsg(_DATAGRAM_BYTES, _ANCILLARY_BYTES)
            except BlockingIOError:
                return
            pid = self._sender(ancillary)
            line = parse_datagram(data) if pid is not None else None
            if pid is None or line is None:
                continue
            refusal = self._sessions.follow(pid, line)
            if refusal is not None:
                with lock:
                    if len(self._waiting) < KEPT:
                        self._waiting.append(refusal)

    def _sender(self, ancillary: list[tuple[int, int, bytes]]) -> int | None:
        """The process that sent a datagram, as the kernel tells it; None when it is not one of the slot's account."""
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS) and len(data) == _CREDENTIALS.size:
                pid, uid, _ = _CREDENTIALS.unpack(data)
                return int(pid) if uid == self._uid else None
        return None

    def take(self) -> list[Refusal]:
        taken, self._waiting = self._waiting, []
        return taken

    def end(self) -> None:
        """Close it, and remove its file."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s cannot be removed: %s", self._path, error)
        self.socket.close()
