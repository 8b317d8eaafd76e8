"""The embedded server as the programs of OpenSSH see it."""

import base64
import hashlib
import os

import pytest

from thaniya_core.system.run import run


def put(directory, name, data):
    file = directory / name
    file.write_bytes(data)
    return file


def test_ssh_without_a_command_shows_the_help(client):
    done = client.ssh()
    assert (done.exit_code, done.stderr) == (0, b"")
    assert b"allocate --host" in done.stdout


def test_exit_code_and_error_reach_the_shell(client):
    done = client.ssh("allocate --host web1")
    assert (done.exit_code, done.stdout) == (2, b"")
    assert b"--name is missing" in done.stderr


def test_a_whole_backup_by_a_shell_script(client, slot, services, tmp_path):
    data = os.urandom(300_000)
    file = put(tmp_path, "home.tar.gz", data)
    done = client.ssh("allocate --host web1 --name nightly")
    facts = dict(line.split("=") for line in done.stdout.decode().splitlines())
    assert client.scp(str(file), f"{facts['slot']}@127.0.0.1:{facts['directory']}/").exit_code == 0
    assert (slot.path / "home.tar.gz").read_bytes() == data
    sums = run(["sha256sum", str(file)], timeout_s=10).stdout
    done = client.ssh(f"complete {facts['upload']} --sums", stdin=sums)
    assert (done.exit_code, done.stdout) == (0, b"state=archived\n")
    assert services.manifests[facts["upload"]].files[0].sha256 == hashlib.sha256(data).hexdigest()


def test_fetch_brings_a_large_file_through(client, services):
    services.files["home.tar.gz"] = os.urandom(3_000_000)
    done = client.ssh("fetch 20261122T211500Z-00000a home.tar.gz 100")
    assert (done.exit_code, done.stdout) == (0, services.files["home.tar.gz"][100:])


@pytest.mark.parametrize("options", [[], ["-O"], ["-p"], ["-O", "-p"], ["-C"]])
def test_scp_puts_files(client, open_upload, slot, tmp_path, options):
    one, two = put(tmp_path, "one.tar", os.urandom(200_000)), put(tmp_path, "empty.log", b"")
    done = client.scp(*options, str(one), str(two), "thaniya_01@127.0.0.1:upload/")
    assert (done.exit_code, done.stderr) == (0, b"")
    assert (slot.path / "one.tar").read_bytes() == one.read_bytes()
    assert (slot.path / "empty.log").read_bytes() == b""
    assert (slot.path / "one.tar").stat().st_mode & 0o777 == 0o640
    assert slot.writes > 0


@pytest.mark.parametrize("options", [[], ["-O"]])
@pytest.mark.parametrize("target", ["upload", "/upload", "upload/other.tar", "./upload/../upload/other.tar"])
def test_scp_takes_the_directory_or_a_name_in_it(client, open_upload, slot, tmp_path, options, target):
    file = put(tmp_path, "one.tar", b"data")
    done = client.scp(*options, str(file), f"thaniya_01@127.0.0.1:{target}")
    assert (done.exit_code, done.stderr) == (0, b"")
    assert [entry.name for entry in slot.path.iterdir()] == ["other.tar" if "other" in target else "one.tar"]


@pytest.mark.parametrize("options", [[], ["-O"]])
@pytest.mark.parametrize("target", ["", ".", "/", "/etc/", "../../x", "upload/../x", "upload/.hidden", "upload/a b"])
def test_scp_puts_nothing_elsewhere(client, open_upload, slot, tmp_path, options, target):
    file = put(tmp_path, "one.tar", b"data")
    done = client.scp(*options, str(file), f"thaniya_01@127.0.0.1:{target}")
    assert done.exit_code == 1
    assert list(slot.path.iterdir()) == []
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("options", [[], ["-O"]])
def test_scp_of_a_directory_is_refused(client, open_upload, slot, tmp_path, options):
    (tmp_path / "tree").mkdir()
    put(tmp_path / "tree", "file", b"data")
    done = client.scp("-r", *options, str(tmp_path / "tree"), "thaniya_01@127.0.0.1:upload/")
    assert done.exit_code == 1
    assert list(slot.path.iterdir()) == []


def test_old_scp_says_why_and_goes_on_with_the_next_file(client, open_upload, slot, tmp_path):
    bad, good = put(tmp_path, "backup.json", b"data"), put(tmp_path, "good.tar", b"data")
    done = client.scp("-O", str(bad), str(good), "thaniya_01@127.0.0.1:upload/")
    assert (done.exit_code, b"written by the archive itself" in done.stderr) == (1, True)
    assert [entry.name for entry in slot.path.iterdir()] == ["good.tar"]


def test_old_scp_cannot_download(client, open_upload, slot, tmp_path):
    put(slot.path, "one.tar", b"data")
    done = client.scp("-O", "thaniya_01@127.0.0.1:upload/one.tar", str(tmp_path))
    assert done.exit_code != 0
    assert b"nothing can be downloaded from a slot" in done.stderr


@pytest.mark.parametrize("command", ["", "ls", "session", "sh -c 'id'", "scp", "scp -x -t a", "'", "sftp"])
def test_a_slot_runs_no_commands(client, open_upload, command):
    done = client.ssh(*([command] if command else []), account="thaniya_01")
    assert (done.exit_code, done.stdout) == (5 if command not in ("scp", "scp -x -t a", "'") else 2, b"")
    assert done.stderr.startswith(b"thaniya: ")


def test_sftp_puts_lists_renames_removes(client, open_upload, slot, tmp_path):
    file = put(tmp_path, "one.tar", os.urandom(700_000))
    done = client.sftp(f"""
        pwd
        ls
        cd upload
        put {file}
        put -p {file} two.tar
        put {file} three.tar
        rename two.tar renamed.tar
        rm three.tar
        ls -l
        df
        get one.tar {tmp_path}/back.tar
        chmod 777 one.tar
    """)
    assert (done.exit_code, done.stderr) == (0, b"")
    assert b"Remote working directory: /\n" in done.stdout
    assert sorted(entry.name for entry in slot.path.iterdir()) == ["one.tar", "renamed.tar"]
    assert (tmp_path / "back.tar").read_bytes() == file.read_bytes()
    assert (slot.path / "one.tar").stat().st_mode & 0o777 == 0o640
    assert b"700000" in done.stdout


def test_sftp_resumes_where_an_upload_stopped(client, open_upload, slot, tmp_path):
    data = os.urandom(900_000)
    file = put(tmp_path, "big.tar", data)
    put(slot.path, "big.tar", data[:400_000])
    inode = (slot.path / "big.tar").stat().st_ino
    done = client.sftp(f"reput {file} upload/big.tar")
    assert (done.exit_code, done.stderr) == (0, b"")
    assert (slot.path / "big.tar").read_bytes() == data
    assert (slot.path / "big.tar").stat().st_ino == inode


@pytest.mark.parametrize(
    "line",
    [
        "mkdir upload/sub",
        "rmdir upload",
        "ln -s /etc/passwd upload/link",
        "ln /upload/one.tar upload/two.tar",
        "rename upload/one.tar one.tar",
        "rename upload/one.tar upload/.hidden",
        "put /etc/hostname passwd",
        "put /etc/hostname upload/backup.json",
        "get /etc/passwd /dev/null",
        "rm upload/none",
        "ls /etc",
    ],
)
def test_sftp_refuses_what_a_slot_is_not_for(client, open_upload, slot, line):
    put(slot.path, "one.tar", b"data")
    assert client.sftp(line).exit_code == 1
    assert [entry.name for entry in slot.path.iterdir()] == ["one.tar"]


def test_a_key_of_nobody_is_refused_like_an_account_that_is_not_there(client, key_directory, services, wait_until):
    client.options[client.options.index(f"IdentityFile={key_directory / 'alice'}")] = (
        f"IdentityFile={key_directory / 'mallory'}"
    )
    known, unknown = client.ssh("help"), client.ssh("help", account="root")
    assert (known.exit_code, unknown.exit_code) == (255, 255)
    assert known.stderr.replace(b"thaniya@", b"root@") == unknown.stderr
    assert b"publickey" in known.stderr
    wait_until(lambda: len(services.logins) == 2)
    assert [(account, ok) for account, _, ok, _ in services.logins] == [("thaniya", False), ("root", False)]
    assert services.logins[0][3].startswith("no accepted key: SHA256:")


def test_a_slot_that_is_not_taken_lets_nobody_in(client):
    assert client.sftp("ls").exit_code == 255


def test_a_login_is_noted_and_by_which_key(client, services):
    client.ssh("help")
    (fingerprint,) = services.key_uses
    raw = base64.b64decode(services.keys["alice"][0].blob)
    assert fingerprint == "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
    assert services.logins == [("thaniya", "alice", True, fingerprint)]


@pytest.mark.parametrize(("key", "exit_code"), [("ecdsa", 0), ("rsa", 0), ("short_rsa", 255)])
def test_which_kinds_of_keys_may_log_in(client, services, key_directory, key, exit_code):
    algorithm, blob, comment = (key_directory / f"{key}.pub").read_text().split()
    alice = services.keys["alice"][0]
    services.keys["alice"] = [type(alice)(algorithm, blob, comment, "SHA256:unused", alice.added_at)]
    client.options[client.options.index(f"IdentityFile={key_directory / 'alice'}")] = (
        f"IdentityFile={key_directory / key}"
    )
    assert client.ssh("help").exit_code == exit_code


@pytest.mark.parametrize("option", ["-A", "-X", "-R0:localhost:1", "-oSetEnv=A=b"])
def test_without_terminal_forwarding_and_environment_commands_still_run(client, option):
    done = run(
        ["ssh", *client.options, option, "-p", str(client.port), "thaniya@127.0.0.1", "help"],
        timeout_s=20,
        check=False,
    )
    assert (done.exit_code, b"allocate" in done.stdout) == (0, True), done.stderr


def test_there_is_no_terminal(client):
    done = run(
        ["ssh", *client.options, "-tt", "-p", str(client.port), "thaniya@127.0.0.1", "help"], timeout_s=20, check=False
    )
    assert b"PTY allocation request failed" in done.stderr


def test_a_tunnel_is_refused(client):
    done = run(
        ["ssh", *client.options, "-W", "127.0.0.1:22", "-p", str(client.port), "thaniya@127.0.0.1"],
        timeout_s=20,
        check=False,
    )
    assert done.exit_code == 255
    assert b"forwarding failed" in done.stderr


def test_the_fingerprint_is_the_one_that_ssh_shows(client, server, tmp_path):
    client.ssh("help")
    shown = run(["ssh-keygen", "-l", "-f", str(tmp_path / "host_key.pub")], timeout_s=10).stdout.decode()
    assert server.fingerprint in shown
    assert (tmp_path / "host_key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "host_key.pub").read_text().split()[1] in (tmp_path / "known_hosts").read_text()
