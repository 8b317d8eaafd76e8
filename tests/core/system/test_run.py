"""The door to processes."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from thaniya_core.errors import CommandFailed
from thaniya_core.system.run import Process, feed, run

MEGABYTE = 1024 * 1024
LONG_S = 60
NOISE = f"yes out | head -c {MEGABYTE}; yes err | head -c {MEGABYTE} >&2"


def test_output_and_exit_code_come_back():
    done = run(["sh", "-c", "cat; echo warning >&2; exit 3"], stdin=b"input", timeout_s=LONG_S, check=False)

    assert (done.exit_code, done.stdout, done.stderr) == (3, b"input", b"warning\n")


def test_both_streams_are_drained_at_once():
    done = run(["sh", "-c", NOISE], timeout_s=LONG_S)

    assert (len(done.stdout), len(done.stderr)) == (MEGABYTE, MEGABYTE)


def test_failed_program_is_told_with_command_exit_code_and_the_end_of_stderr():
    with pytest.raises(CommandFailed) as caught:
        run(["sh", "-c", "seq 1 9 >&2; exit 7"], timeout_s=LONG_S)

    assert "`sh -c 'seq 1 9 >&2; exit 7'` ended with exit code 7: 5; 6; 7; 8; 9" in caught.value.message
    assert caught.value.facts["exit_code"] == 7


def test_missing_program_is_told():
    with pytest.raises(CommandFailed, match="'no-such-program' is not there"):
        run(["no-such-program"], timeout_s=LONG_S)


def test_program_that_is_no_program_is_told(tmp_path):
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(CommandFailed, match="cannot be started"):
        run([str(file)], timeout_s=LONG_S)


def test_program_that_does_not_end_is_killed():
    started = time.monotonic()

    with pytest.raises(CommandFailed, match=r"did not end within 0\.2 s"):
        run(["sleep", str(LONG_S)], timeout_s=0.2)

    assert time.monotonic() - started < LONG_S / 2


def test_environment_is_added_to_ours(monkeypatch):
    monkeypatch.setenv("OURS", "1")

    assert run(["sh", "-c", "echo $OURS$THEIRS"], env={"THEIRS": "2"}, timeout_s=LONG_S).stdout == b"12\n"


def test_process_reads_and_writes_through_pipes():
    with Process(["cat"], timeout_s=LONG_S, stdin=True, stdout=True) as process:
        process.stdin.write(b"hello")
        process.stdin.close()
        assert process.stdout.read() == b"hello"
        process.check()


def test_stderr_of_a_process_is_drained_while_its_output_is_read():
    lines: list[str] = []

    with Process(["sh", "-c", NOISE], timeout_s=LONG_S, stdout=True, on_stderr=lines.append) as process:
        assert len(process.stdout.read()) == MEGABYTE
        process.check()

    assert sum(len(line) + 1 for line in lines) == MEGABYTE
    assert len(process.stderr_lines) < 100


def test_line_without_an_end_on_stderr_is_no_danger():
    lines: list[str] = []

    with Process(
        ["sh", "-c", f"head -c {MEGABYTE} /dev/zero >&2"], timeout_s=LONG_S, on_stderr=lines.append
    ) as process:
        process.check()

    assert sum(map(len, lines)) == MEGABYTE


def test_failed_process_is_told_with_the_end_of_its_stderr():
    with (
        pytest.raises(CommandFailed, match="exit code 4: it broke"),
        Process(["sh", "-c", "echo it broke >&2; exit 4"], timeout_s=LONG_S) as process,
    ):
        process.check()


def test_process_that_ends_early_breaks_no_pipe():
    with Process(["true"], timeout_s=LONG_S, stdin=True) as process:
        with pytest.raises(BrokenPipeError):
            for _ in range(1000):
                process.stdin.write(b"x" * MEGABYTE)
        assert process.wait() == 0


def test_process_is_killed_at_its_deadline():
    with (
        pytest.raises(CommandFailed, match="did not end within"),
        Process(["sleep", str(LONG_S)], timeout_s=0.2) as process,
    ):
        process.wait()


@pytest.mark.parametrize("script", [f"sleep {LONG_S}; true", f"sleep {LONG_S} & exit 0"])
def test_deadline_holds_for_what_the_process_has_started(script):
    started = time.monotonic()

    with pytest.raises(CommandFailed), Process(["sh", "-c", script], timeout_s=0.3) as process:
        process.wait()

    assert time.monotonic() - started < LONG_S / 2


def test_program_that_is_fed_may_write_what_it_likes_and_names_no_argument(tmp_path):
    script = "cat > read; (head -c 300M /dev/zero; head -c 300M /dev/zero >&2); echo no >&2; exit 3"
    told = (
        "import os, re\n"
        "from thaniya_core.errors import CommandFailed\n"
        "from thaniya_core.system.run import feed\n"
        "try:\n"
        f"    feed(['sh', '-c', {script!r}, 'secret'], b'hello', timeout_s=60)\n"
        "except CommandFailed as error:\n"
        "    print(error)\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) < 100_000)\n"
    )
    done = run([sys.executable, "-c", told], timeout_s=60, cwd=tmp_path, env={"PYTHONPATH": os.pathsep.join(sys.path)})

    failure, is_small = done.stdout.decode("utf-8", "replace").splitlines()
    assert failure.startswith("`sh` ended with exit code 3: ")
    assert failure.endswith("no")
    assert "secret" not in failure
    assert len(failure) < 10_000
    assert is_small == "True"
    assert (tmp_path / "read").read_bytes() == b"hello"


def test_program_that_is_fed_and_does_not_end_is_killed_with_its_children():
    # The child holds stderr: that this returns at all shows that it has ended.
    with pytest.raises(CommandFailed, match="`sh` did not end within"):
        feed(["sh", "-c", "sleep 777 & wait", "secret"], b"x" * 1_000_000, timeout_s=0.5)


def test_leaving_by_an_exception_kills_the_process_and_its_children():
    pids: list[int] = []

    def leave() -> None:
        script = f"sleep {LONG_S} & echo $$ $! ; wait"
        with Process(["sh", "-c", script], timeout_s=LONG_S, stdout=True) as process:
            pids.extend(int(word) for word in process.stdout.readline().split())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()

    assert len(pids) == 2
    assert _has_ended(pids[0])
    assert _ends(pids[1])


def _has_ended(pid: int) -> bool:
    """Whether there is no such process, or only what its parent has not asked for yet."""
    try:
        os.kill(pid, 0)
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return True


def _ends(pid: int) -> bool:
    deadline = time.monotonic() + LONG_S / 2
    while not _has_ended(pid) and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    return _has_ended(pid)


def test_killing_a_process_that_has_ended_is_harmless():
    with Process(["true"], timeout_s=LONG_S) as process:
        process.wait()
        process.kill()


def test_no_thread_is_left_behind():
    before = set(threading.enumerate())

    with Process(["true"], timeout_s=LONG_S, stdin=True, stdout=True) as process:
        process.check()

    assert [thread for thread in set(threading.enumerate()) - before if "stderr" in thread.name] == []


def test_pipe_that_was_not_asked_for_is_an_error():
    with Process(["true"], timeout_s=LONG_S) as process:
        with pytest.raises(ValueError, match="without a pipe"):
            process.stdin  # noqa: B018
        with pytest.raises(ValueError, match="without a pipe"):
            process.stdout  # noqa: B018


_ENDS_WITHOUT_WAITING = """
import sys, threading
from thaniya_core.system.run import Process, end_programs, run

def with_run():
    run(["sh", "-c", f"echo > {sys.argv[1]}; exec sleep 1000"], timeout_s=1000)

def with_process():
    with Process(["sh", "-c", f"echo > {sys.argv[1]}; sleep 1000; echo"], timeout_s=1000) as process:
        process.wait()

for work in (with_run, with_process):
    threading.Thread(target=work, daemon=True).start()
    open(sys.argv[1]).read()
end_programs()
threading.excepthook = lambda error: None
with_process()
"""


def test_process_that_ends_without_waiting_takes_along_what_it_has_started(tmp_path):
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    # What still runs holds the pipes open, and this would not end.
    completed = run([sys.executable, "-c", _ENDS_WITHOUT_WAITING, str(begun)], timeout_s=60, check=False)
    assert completed.exit_code == 0
