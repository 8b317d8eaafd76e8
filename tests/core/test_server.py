"""The server as a whole: one service at a time, recovery, users that are disabled."""

from __future__ import annotations

import errno
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from thaniya_core.errors import AlreadyExists, ConfigInvalid, NotFound, WrongState
from thaniya_core.initialise import initialise
from thaniya_core.model import SlotState, UploadState
from thaniya_core.server import open_server
from thaniya_core.system.run import Process
from thaniya_core.tick import run_pass

LONG_S = 60.0
HOLD = """
import sys
from pathlib import Path
from thaniya_core.server import open_server

with open_server(Path(sys.argv[1])).as_service() as is_service:
    print(is_service, flush=True)
    sys.stdin.readline()
"""


def test_new_server_has_slots_and_a_volume_under_one_directory(root):
    server = open_server(root / "thaniya.toml")

    assert [slot.name for slot in server.slots.all()] == ["thaniya_01", "thaniya_02"]
    assert [(volume.label, volume.path) for volume in server.volumes.present()] == [("first", root / "volume")]
    assert sorted(path.name for path in root.iterdir()) == ["slots", "spool", "state", "thaniya.toml", "volume"]


def test_server_is_not_made_over_another(root, tmp_path):
    before = (root / "thaniya.toml").read_bytes()

    with pytest.raises(AlreadyExists, match="nothing was changed"):
        initialise(root, "login:root", port=99)
    assert (root / "thaniya.toml").read_bytes() == before


def test_server_without_a_configuration_is_told(tmp_path):
    with pytest.raises(ConfigInvalid):
        open_server(tmp_path / "thaniya.toml")


def test_one_process_is_the_service_at_a_time(root: Path, server):
    command = [sys.executable, "-c", HOLD, str(root / "thaniya.toml")]
    with Process(command, timeout_s=LONG_S, stdin=True, stdout=True) as other:
        assert other.stdout.readline() == b"True\n"
        with server.as_service() as is_service:
            assert not is_service
        assert run_pass(server) is None
        other.kill()
        other.wait()

    with server.as_service() as is_service:
        assert is_service


def test_threads_of_the_service_share_it(server, reopen):
    with server.as_service() as one, server.as_service() as two:
        assert one and two
    with server.as_service(), reopen().as_service() as another:
        assert not another
    with reopen().as_service() as is_service:
        assert is_service


def test_service_is_waited_for_until_the_other_ends(server, reopen, clock, monkeypatch):
    with ExitStack() as other:
        assert other.enter_context(reopen().as_service())
        monkeypatch.setattr(clock, "sleep", lambda _: other.close())

        with server.as_service(wait_s=5) as is_service:
            assert is_service


def test_service_is_waited_for_no_longer_than_asked(server, reopen, clock):
    begun = clock.monotonic()

    with reopen().as_service():
        with server.as_service(wait_s=5) as is_service:
            assert not is_service
        waited_s = clock.monotonic() - begun
        with server.as_service() as is_service:
            assert not is_service

    assert 5 <= waited_s < 6
    assert clock.monotonic() - begun == waited_s


def test_settling_waits_for_the_service_of_another_process(server, reopen, open_upload, put_file, in_threads):
    upload = open_upload()
    put_file(upload, "a", b"a")
    service = reopen()

    def serve() -> None:
        with service.as_service() as is_service:
            assert is_service
            service.uploads.wait(upload.id, UploadState.OPEN, LONG_S)
            service.close_slots()

    def complete() -> UploadState:
        with service.as_service():
            server.uploads.complete(upload.id, None, "alice")
            return server.settle(upload).state

    assert in_threads(serve, complete) == [None, UploadState.SPOOLED]


def test_disabled_user_loses_its_open_uploads(server, open_upload, put_file, spooled):
    on_its_way = spooled()
    upload = open_upload()
    put_file(upload, "a", b"a")

    server.disable_user("alice", "login:root")

    ended = server.uploads.get(upload.id)
    assert (ended.state, ended.reason) == (UploadState.ABORTED, "the user was disabled")
    assert {slot.state for slot in server.slots.all()} == {SlotState.READY}
    assert server.uploads.get(on_its_way.id).state is UploadState.SPOOLED


def test_uploads_of_a_disabled_user_all_end_although_a_slot_cannot_be_closed(
    server, open_upload, put_file, monkeypatch
):
    uploads = sorted([open_upload(), open_upload()], key=lambda upload: upload.id)
    real = server.accounts.lock
    open_when_first_is_closed: list[str | None] = []

    def fails(slot: str) -> None:
        if slot == uploads[0].slot:
            open_when_first_is_closed.extend(server.upload_in(upload.slot) for upload in uploads)
            raise OSError(errno.EIO, "Input/output error")
        real(slot)

    with monkeypatch.context() as patch:
        patch.setattr(server.accounts, "lock", fails)
        user = server.disable_user("alice", "login:root")
    then = [server.uploads.get(upload.id).state for upload in uploads]
    server.close_slots()

    assert not user.enabled
    assert open_when_first_is_closed == [None, None]
    assert then == [UploadState.CLOSING, UploadState.ABORTED]
    assert {server.uploads.get(upload.id).state for upload in uploads} == {UploadState.ABORTED}
    assert {slot.state for slot in server.slots.all()} == {SlotState.READY}


def test_disabling_a_user_leaves_the_uploads_of_others_alone(server, make_user, open_upload):
    make_user("bob")
    of_alice, of_bob = open_upload(), open_upload(user="bob")

    server.disable_user("alice", "login:root")

    assert server.uploads.get(of_alice.id).state is UploadState.ABORTED
    assert server.uploads.get(of_bob.id).state is UploadState.OPEN


@pytest.mark.parametrize("step", ["being_removed", "clean_leftovers"])
def test_volume_that_is_out_of_order_keeps_no_service_from_its_start(server, spooled, run_jobs, failing, caplog, step):
    upload = spooled()
    server.jobs.drop(upload.id)

    with failing(server.volumes, step):
        server.recover()
    run_jobs()

    assert "cannot clean the volumes: [Errno 5] Input/output error" in caplog.text
    assert server.uploads.get(upload.id).state is UploadState.ARCHIVED


def test_upload_that_cannot_be_retired_keeps_no_other_waiting_at_the_start(
    server, open_upload, put_file, reopen, failing, caplog
):
    uploads = [open_upload(), open_upload()]
    for upload in uploads:
        with failing(server.store, "add_history"), pytest.raises(OSError, match="Input/output error"):
            server.abort_upload(upload.id, "", "alice")

    restarted = reopen()
    with failing(restarted.store, "add_history"):
        restarted.recover()
    left = [upload.id for upload in restarted.uploads.list_on_their_way()]
    restarted.recover()

    first, second = sorted(upload.id for upload in uploads)
    assert left == [first]
    assert f"cannot retire the upload {first}" in caplog.text
    assert restarted.uploads.list_on_their_way() == []
    assert {ended.id for ended in restarted.uploads.list_ended(9)} == {first, second}


def test_pass_for_cron_archives_what_was_completed(server, open_upload, put_file):
    upload = open_upload()
    put_file(upload, "a", b"a")
    server.uploads.complete(upload.id, None, "alice")

    assert run_pass(server) == 1

    assert server.uploads.get(upload.id).state is UploadState.ARCHIVED


def test_spooled_upload_without_a_job_gets_one_at_the_start(server, spooled, run_jobs):
    upload = spooled()
    server.jobs.drop(upload.id)

    server.recover()
    run_jobs()

    assert server.uploads.get(upload.id).state is UploadState.ARCHIVED


def test_recovering_twice_queues_nothing_twice(server, spooled):
    spooled()

    server.recover()
    server.recover()

    assert len(server.jobs.waiting()) == 1


def test_unknown_job_is_not_retried(server):
    with pytest.raises(NotFound):
        server.retry_job("20261123T211500Z-ffffff", "login:root")


def test_done_job_is_not_retried(server, spooled, run_jobs):
    spooled()
    (job,) = server.jobs.waiting()
    run_jobs()

    with pytest.raises(WrongState, match="is done"):
        server.retry_job(job.id, "login:root")
