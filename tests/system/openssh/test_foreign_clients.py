"""rclone, curl, sshfs and OpenSSH's own programs fill slots of a real server, with the commands of docs/clients.md."""

from __future__ import annotations

import os
import re
import shutil

import pytest
from real_server import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "clients.md"
CLIENTS = ("scp", "rclone", "curl", "sshfs")
"""Each has a block of its name in the document."""
SIZES = {"small.bin": 1_000, "empty": 0, "big.bin": 20 * 1024**2}

# Whether sshd uses PAM makes no difference to what a client sends.
pytestmark = pytest.mark.parametrize("server", ["yes"], ids=["pam"], indirect=True, scope="module")


def block(name):
    """A block of shell in the document."""
    (found,) = re.findall(rf"^```sh {name}\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    return found


def why_no_fuse():
    """Why the kernel mounts nothing for sshfs here; empty when it does."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as exc:
        return f"cannot run here: /dev/fuse cannot be used: {exc.strerror}"
    return ""


def why_not(program):
    """Why a program cannot be tried here; empty when it can."""
    if shutil.which(program) is None:
        return f"{program} is missing (package {program})"
    return why_no_fuse() if program == "sshfs" else ""


@pytest.fixture(scope="module", params=[False, True], ids=["chroot", "bwrap"], autouse=True)
def confinement(request, server):
    """Both ways to confine a slot: sshd's chroot, and bwrap, which goes with `legacy_scp`."""
    if request.param:
        server.set_legacy_scp(True)


@pytest.fixture
def files(make_file):
    return [make_file(name, size) for name, size in SIZES.items()]


@pytest.fixture
def home(server, tmp_path):
    """A home directory with the host key of the server."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    shutil.copy(server.work / "known_hosts", home / ".ssh" / "known_hosts")
    return home


@pytest.fixture
def shell(server, home, files):
    """Runs blocks of the document one after the other, in the machine: what they mount goes with it."""

    known_hosts = str(home / ".ssh" / "known_hosts")
    options = [word.replace(str(server.work / "known_hosts"), known_hosts) for word in server.ssh_options("alice")]

    def run(*scripts, check=True):
        settings = {
            "server": "127.0.0.1",
            "port": str(server.port),
            "key": str(server.keys / "alice"),
            "known_hosts": known_hosts,
            "options": " ".join([*options, "-o", f"Port={server.port}"]),
        }
        assert set(re.findall(r"\b([a-z_]+)=", block("settings"))) == settings.keys()
        script = f"cd {files[0].parent}\n" + "".join(scripts)
        return server.machine.run("sh", "-euc", script, check=check, HOME=str(home), **settings)

    return run


def archived_files(server, upload):
    return {path.name: path.read_bytes() for path in server.archived(upload).iterdir() if path.name in SIZES}


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_client_puts_is_archived_byte_for_byte(server, shell, files, client):
    reason = why_not(client)
    if reason:
        pytest.skip(reason)
    told = shell(block("allocate"), 'echo "$upload"\n', block(client), block("complete")).stdout.splitlines()
    upload = next(line for line in told if re.fullmatch(r"[0-9TZ]+-[0-9a-f]{6}", line))
    assert told[-1] == "state=archived"
    assert archived_files(server, upload) == {file.name: file.read_bytes() for file in files}


def test_rclone_finds_what_it_put_and_renames_and_repeats(server, shell, files):
    where = block("rclone").partition("upload ")[2].replace("\\\n", " ").strip()
    upload = shell(
        block("allocate"),
        block("rclone"),
        block("rclone"),
        f"rclone check . :sftp:upload {where}\n",
        f"rclone moveto :sftp:upload/big.bin :sftp:upload/big.bin.1234.partial {where}\n",
        f"rclone moveto :sftp:upload/big.bin.1234.partial :sftp:upload/big.bin {where}\n",
        block("complete"),
        'echo "$upload"\n',
    ).stdout.splitlines()[-1]
    assert archived_files(server, upload) == {file.name: file.read_bytes() for file in files}


@pytest.mark.parametrize("client", ["rclone", "curl", "sshfs"])
def test_client_does_not_talk_to_a_server_with_another_host_key(server, shell, home, client):
    stranger = (server.keys / "mallory.pub").read_text()
    known_hosts = home / ".ssh" / "known_hosts"
    right = known_hosts.read_text()
    begun = shell(block("allocate"), 'echo "$upload $slot"\n').stdout.split()
    known_hosts.write_text(f"[127.0.0.1]:{server.port} {stranger}")
    # rclone takes a wrong host key for a connection that may come about when it is tried again.
    once = "export RCLONE_RETRIES=1 RCLONE_LOW_LEVEL_RETRIES=1\n"
    done = shell(f"slot={begun[1]}\n", once, block(client), check=False)
    known_hosts.write_text(right)
    assert done.returncode != 0
    assert list(server.upload_directory(begun[1]).iterdir()) == []
    server.abort(begun[0])
