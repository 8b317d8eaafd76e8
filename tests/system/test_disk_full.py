"""Disks that run full: a clear word to the client, nothing lost, and all goes on once there is space."""

import os
import subprocess

import pytest

from thaniya_core.server import open_server

MEGABYTE = 1_000_000


@pytest.fixture
def small_disk(tmp_path):
    """Make a directory a small file system of its own; gives a function."""
    mounted = []

    def mount(place, size):
        place.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        if done.returncode != 0:
            pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
        mounted.append(place)

    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    yield mount
    for place in mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=20)


@pytest.fixture
def ending_box(small_disk, new_box):
    """A box whose processes end before its disks go."""
    yield new_box
    new_box.end_all()


def fill(place):
    """Take all the space that is left; gives the file to remove again."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 4096)
        except OSError:
            pass  # full
    return ballast


def test_slots_disk_full(ending_box, small_disk, make_file):
    box = ending_box
    small_disk(box.directory / "disk", "24m")
    box.initialise()
    box.configure("paths", slots="disk/slots", spool="disk/spool")
    box.configure("slots", margin=0)  # the client is to meet the full disk, not to be shown out before
    open_server(box.config).slots.ensure(2)
    box.slot_directory = lambda slot: box.directory / "disk" / "slots" / slot / "upload"
    box.add_user("alice")
    box.start()
    allocated = box.allocate()
    big = make_file("big.bin", 30 * MEGABYTE)
    for options, said in (([], "write remote"), (["-O"], "no space left on the server's disk")):
        done = box.scp("alice", *options, str(big), f"{allocated.slot}@127.0.0.1:upload/")
        assert (done.exit_code, said in done.stderr) == (1, True), done.stderr
    assert box.sftp("alice", allocated.slot, f"put {big} upload/\n").exit_code == 1
    done = box.ssh("alice", "allocate --host web1 --name other --bytes 10M")
    assert (done.exit_code, "are free for uploads" in done.stderr) == (7, True)
    done = box.complete(allocated.upload, big)
    assert done.exit_code in (1, 7)  # 1: it was shown out before, because it did not say how large it would be
    assert "No space left" in done.stderr or "are free on the disk of the slots" in done.stderr
    box.ssh("alice", f"abort {allocated.upload}")
    assert box.wait_for_end(allocated.upload).state in ("aborted", "rejected")
    box.back_up(make_file("small.bin", MEGABYTE))
    box.assert_sound()


@pytest.mark.parametrize("linked", [True, False], ids=["one disk", "a disk of its own"])
def test_volume_full(ending_box, small_disk, make_file, wait_until, linked):
    box = ending_box
    if linked:
        small_disk(box.directory / "disk", "24m")
        (box.directory / "disk" / "volume").mkdir()
        box.initialise(volume=box.directory / "disk" / "volume")
        box.configure("paths", slots="disk/slots", spool="disk/spool")
        open_server(box.config).slots.ensure(2)
        box.slot_directory = lambda slot: box.directory / "disk" / "slots" / slot / "upload"
        box.volume = box.directory / "disk" / "volume"
    else:
        small_disk(box.volume, "24m")
        box.initialise()
    box.add_user("alice")
    box.start()
    file = make_file("data.bin", 5 * MEGABYTE)
    allocated = box.allocate()
    box.put(allocated, file)
    ballast = fill(box.volume)
    done = box.ssh("alice", f"complete {allocated.upload} --wait 2s")
    assert done.exit_code == 6
    assert done.facts["state"] == "spooled"
    upload = wait_until(lambda: (one := box.upload(allocated.upload)).reason and one)
    assert upload.reason.startswith("will be tried again") and "fit" in upload.reason
    shown = box.ssh("alice", f"status {allocated.upload}")
    assert upload.reason == shown.facts["reason"]
    assert "fit" in box.thaniya("job", "list").stdout
    done = box.ssh("alice", "allocate --host web1 --name other --bytes 1M")
    assert done.exit_code == 7
    ballast.unlink()
    assert box.wait_for_end(allocated.upload).state == "archived"
    assert box.complete(allocated.upload).stdout == "state=archived\n"
    box.assert_sound({allocated.upload: {"data.bin": box.run("sha256sum", str(file)).stdout.split()[0]}})


def test_volume_full_for_good_gives_up_and_keeps_the_files(ending_box, small_disk, make_file):
    box = ending_box
    small_disk(box.volume, "24m")
    box.initialise()
    box.configure("jobs", attempts=2)
    box.add_user("alice")
    box.start()
    file = make_file("data.bin", 5 * MEGABYTE)
    allocated = box.allocate()
    box.put(allocated, file)
    ballast = fill(box.volume)
    done = box.complete(allocated.upload, file)
    assert (done.exit_code, "failed" in done.stderr, "fit" in done.stderr) == (1, True, True)
    (job,) = box.jobs()
    assert (job.state, job.attempts) == ("failed", 2)
    assert box.thaniya("job", "show", job.id, "--json").json["state"] == "failed"
    box.restart()
    ballast.unlink()
    assert box.thaniya("job", "retry", job.id).exit_code == 0
    assert box.wait_for_end(allocated.upload).state == "archived"
    box.assert_sound()


def test_spool_full(ending_box, small_disk, make_file, wait_until):
    box = ending_box
    small_disk(box.directory / "spool", "12m")
    box.initialise()
    box.add_user("alice")
    box.start()
    file = make_file("data.bin", 5 * MEGABYTE)
    allocated = box.allocate()
    box.put(allocated, file)
    ballast = fill(box.directory / "spool")
    done = box.ssh("alice", f"complete {allocated.upload}")
    assert (done.exit_code, "No space left" in done.stderr) == (7, True)
    upload = box.upload(allocated.upload)
    assert (upload.state, "No space left" in upload.reason) == ("closing", True)
    ballast.unlink()
    assert box.wait_for_end(allocated.upload).state == "archived"
    assert box.complete(allocated.upload).stdout == "state=archived\n"
    box.assert_sound()


def test_spool_too_full_for_a_manifest_leaves_the_upload_open(ending_box, small_disk, make_file):
    box = ending_box
    small_disk(box.directory / "spool", "12m")
    box.initialise()
    box.add_user("alice")
    box.start()
    file = make_file("data.bin", MEGABYTE)
    allocated = box.allocate()
    box.put(allocated, file)
    ballast = fill(box.directory / "spool")
    done = box.complete(allocated.upload, file)
    assert (done.exit_code, "No space left" in done.stderr) == (7, True)
    assert box.upload(allocated.upload).state == "open"
    ballast.unlink()
    assert box.complete(allocated.upload, file).exit_code == 0
    box.assert_sound()


def test_state_full_while_it_archives(ending_box, small_disk, make_file, wait_until):
    box = ending_box
    small_disk(box.directory / "state", "2m")
    box.initialise()
    box.add_user("alice")
    box.start()
    allocated = box.allocate()
    with (box.slot_directory(allocated.slot) / "large.bin").open("wb") as stream:
        stream.truncate(200 * MEGABYTE)
    box.ssh("alice", f"complete {allocated.upload} --no-wait")
    ballast = fill(box.directory / "state")
    wait_until(lambda: "cannot" in box.log.read_text() or "failed" in box.log.read_text())
    ballast.unlink()
    assert box.wait_for_end(allocated.upload).state == "archived"
    box.assert_sound()


def test_an_upload_that_fills_the_disk_of_everything_can_be_aborted(ending_box, small_disk, make_file):
    box = ending_box
    small_disk(box.directory, "48m")
    box.initialise()
    box.add_user("alice")
    box.start()
    before = box.back_up(make_file("before.bin", MEGABYTE))
    allocated = box.allocate()
    big = make_file("big.bin", 60 * MEGABYTE)
    done = box.scp("alice", str(big), f"{allocated.slot}@127.0.0.1:upload/")
    assert done.exit_code in (1, 255)  # refused, or shown out because it did not say how large it would be
    done = box.ssh("alice", f"abort {allocated.upload}")
    assert done.exit_code in (0, 1), done.stderr
    assert box.wait_for_end(allocated.upload).state in ("aborted", "rejected")
    after = box.back_up(make_file("after.bin", MEGABYTE))
    assert set(box.archived()) == {before, after}
    box.assert_sound()


def test_a_disk_of_everything_that_others_filled(ending_box, small_disk, make_file):
    box = ending_box
    small_disk(box.directory, "48m")
    box.initialise()
    box.add_user("alice")
    box.start()
    file = make_file("data.bin", MEGABYTE)
    before = box.back_up(file)
    allocated = box.allocate()
    ballast = fill(box.directory)
    assert box.scp("alice", str(file), f"{allocated.slot}@127.0.0.1:upload/").exit_code != 0
    done = box.complete(allocated.upload, file)
    assert done.exit_code in (7, 255)  # 255: not even the login can be noted
    assert set(box.archived()) == {before}
    box.restart()
    assert box.upload(allocated.upload).state == "open"
    ballast.unlink()
    box.put(allocated, file)
    assert box.complete(allocated.upload, file).exit_code == 0
    assert set(box.archived()) == {before, allocated.upload}
    box.assert_sound()
