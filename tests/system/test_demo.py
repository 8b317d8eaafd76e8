"""`thaniya demo` on a small source."""

import json
import os
import sys

from thaniya_core.cli.demo.compare import find_differences


def run_demo(box, *arguments):
    return box.run(sys.executable, "-m", "thaniya_core", "demo", *arguments)


def make_source(place):
    (place / "sub").mkdir(parents=True)
    for number in range(30):
        (place / "sub" / f"file {number}").write_text(f"content {number}\n" * 200)
    (place / "link").symlink_to("sub")
    return place


def test_the_demo_goes_the_whole_way_and_leaves_no_process(new_box, tmp_path):
    source, place = make_source(tmp_path / "source"), tmp_path / "demo"
    before = sorted((path, path.lstat().st_mtime_ns) for path in source.rglob("*"))
    done = run_demo(new_box, str(source), "--directory", str(place))
    assert done.exit_code == 0, done.stderr
    assert "\x1b" not in done.stdout and "\r" not in done.stdout
    for step in ("first backup", "second backup", "verify", "restore", "the same"):
        assert step in done.stdout
    backups = [path.parent for path in place.rglob("SHA256SUMS")]
    assert len(backups) == 2
    for backup in backups:
        assert str(backups[0]) in done.stdout or str(backups[1]) in done.stdout
        assert new_box.run("sha256sum", "--check", "SHA256SUMS", cwd=backup).exit_code == 0
    assert sorted((path, path.lstat().st_mtime_ns) for path in source.rglob("*")) == before
    # That no process is left is checked when the box ends.


def test_the_comparison_looks_at_the_top_directories_too(tmp_path):
    one, other = make_source(tmp_path / "one"), make_source(tmp_path / "other")
    for directory in (one, other):
        for path in [*directory.rglob("*"), directory]:
            os.utime(path, (0, 0), follow_symlinks=False)
    assert find_differences(one, other) == []

    os.utime(other, (1, 1))
    assert find_differences(one, other) == [f"{one}: another time of the directory"]
    other.chmod(0o700)
    assert "mode" in find_differences(one, other)[0]


def test_the_demo_as_json(new_box, tmp_path):
    done = run_demo(new_box, str(make_source(tmp_path / "source")), "--directory", str(tmp_path / "demo"), "--json")
    assert done.exit_code == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["message_type"] for line in lines} == {"step", "done"}
    assert lines[-1]["directory"] == str(tmp_path / "demo")


def test_the_demo_touches_no_directory_that_is_in_use(new_box, tmp_path):
    (tmp_path / "file").write_text("precious")
    done = run_demo(new_box, "--directory", str(tmp_path))
    assert (done.exit_code, "is not empty" in done.stderr) == (1, True)
    assert (tmp_path / "file").read_text() == "precious"


def test_the_demo_tells_of_a_source_that_is_not_there(new_box, tmp_path):
    done = run_demo(new_box, str(tmp_path / "none"), "--directory", str(tmp_path / "demo"))
    assert (done.exit_code, "none is not a directory" in done.stderr) == (4, True)
