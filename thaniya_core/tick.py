"""The service's work as a single pass, for cron; it needs no SSH server."""

from __future__ import annotations

from thaniya_core.server import Server


def run_pass(server: Server) -> int | None:
    """One pass for cron: end what was silent, close slots, run every job that is due.

    Returns:
        How many jobs ran; None when another process is the service and does all this itself.
    """
    with server.as_service() as is_service:
        if not is_service:
            return None
        server.note_alive()
        server.recover()
        server.watch_uploads(remembers=False)
        server.close_slots()
        ran = 0
        while started := server.worker.run_due():
            server.worker.drain()
            ran += started
        return ran


def run_schedule(server: Server) -> int:
    """Do what of the schedule is due, and wait for its end; gives how many parts ran.

    Not as the service: a long run keeps no other tick from closing slots, and what it does is claimed.
    """
    return server.schedule.run_due_to_end()
