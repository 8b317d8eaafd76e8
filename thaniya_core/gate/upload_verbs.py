"""The one-shot verbs that make a backup: `allocate`, `complete`, `abort`, `status`."""

from __future__ import annotations

import math
import time

from msgspec.structs import replace

from thaniya_core.errors import ExitCode, WrongUsage
from thaniya_core.formats.chains import is_incremental
from thaniya_core.formats.documents import decode_sums
from thaniya_core.formats.manifest import BackupDocument, FileKind, Manifest, describe_file
from thaniya_core.formats.names import check_id
from thaniya_core.formats.protocol import LINE_LIMIT, ending_error
from thaniya_core.formats.quantities import parse_duration, parse_size
from thaniya_core.formats.restoring import tar_stem
from thaniya_core.gate.answers import allocated, upload_status
from thaniya_core.gate.arguments import require_value
from thaniya_core.gate.calls import Call
from thaniya_core.gate.waiting import wait_for_change
from thaniya_core.model import Upload, UploadState


def allocate(call: Call) -> int:
    """Open an upload and print where the files go."""
    host = require_value(call.arguments, "--host", call.usage)
    name = require_value(call.arguments, "--name", call.usage)
    size = call.arguments.values.get("--bytes")
    parent = call.arguments.values.get("--parent")
    answer = allocated(
        call.services.allocate(
            call.caller,
            host,
            name,
            None if size is None else parse_size(size),
            () if parent is None else (check_id(parent),),
        ),
    )
    call.write_facts(
        upload=answer.upload,
        slot=answer.slot,
        directory=answer.directory,
        allowed_bytes=answer.allowed_bytes,
        parent=answer.parent,
        parent_refused=answer.parent_refused or None,
    )
    return 0


def complete(call: Call) -> int:
    """Close the upload and wait until it is archived, or as long as the caller wants.

    Raises:
        UploadRejected, WrongState, ThaniyaError: it ended, but not in the archive.
    """
    arguments = call.arguments
    if "--no-wait" in arguments.flags and "--wait" in arguments.values:
        raise WrongUsage("--wait and --no-wait exclude each other", hint=f"usage: {call.usage}")
    wait_s = float(parse_duration(arguments.values["--wait"])) if "--wait" in arguments.values else math.inf
    parent = arguments.values.get("--parent")
    if parent is not None and "--sums" not in arguments.flags:
        raise WrongUsage("--parent needs --sums", hint=f"usage: {call.usage}")
    manifest = _read_sums(call) if "--sums" in arguments.flags else None
    if manifest is not None and parent is not None:
        manifest = _on_parent(manifest, call.services.contents(call.caller, check_id(parent)))
    upload = call.services.complete(call.caller, arguments.operands[0], manifest)
    if "--no-wait" not in arguments.flags:
        upload = _wait_for_end(call, upload, wait_s)
    if upload.state.is_ended and upload.state is not UploadState.ARCHIVED:
        raise ending_error(upload.id, upload.state, upload.reason)
    call.write_facts(state=upload.state.value)
    is_done = upload.state is UploadState.ARCHIVED or "--no-wait" in arguments.flags
    return ExitCode.DONE if is_done else ExitCode.BUSY


def abort(call: Call) -> int:
    """Give an upload up and print its state."""
    upload = call.services.abort(
        call.caller, call.arguments.operands[0], call.arguments.values.get("--reason", "")[:1000]
    )
    call.write_facts(state=upload.state.value)
    return 0


def status(call: Call) -> int:
    """Print how an upload is getting on."""
    upload = call.services.upload(call.caller, call.arguments.operands[0])
    answer = upload_status(call.services, upload)
    if call.wants_json:
        call.write_json([answer])
    else:
        call.write_facts(
            upload=answer.upload,
            state=answer.state,
            host=answer.host,
            name=answer.name,
            slot=answer.slot or None,
            created=answer.created_at,
            received_bytes=answer.received_bytes,
            stored_bytes=answer.stored_bytes,
            free_bytes=answer.free_bytes,
            reason=answer.reason or None,
        )
    return 0


def _read_sums(call: Call) -> Manifest:
    data = call.stdin.read(LINE_LIMIT + 1)
    if len(data) > LINE_LIMIT:
        raise WrongUsage(f"the sums are longer than {LINE_LIMIT} bytes")
    files = tuple(describe_file(name, sha256) for name, sha256 in decode_sums(data).items())
    if not files:
        raise WrongUsage(
            "there are no sums", hint="pipe the output of sha256sum into this command, or leave out --sums"
        )
    return Manifest(files, client="sha256sum")


def _on_parent(manifest: Manifest, parent: BackupDocument) -> Manifest:
    """What a shell client says of an increment: the archives that its parent has too are increments of them.

    Raises:
        WrongUsage: the parent has none of them.
    """
    known = {tar_stem(file) for file in parent.files if file.kind is FileKind.TAR}
    files = tuple(
        replace(file, incremental=file.kind is FileKind.TAR and tar_stem(file) in known) for file in manifest.files
    )
    if not is_incremental(files):
        raise WrongUsage(
            f"none of the files is an increment of an archive of {parent.id}",
            hint="an increment's archive bears the name of the one that it builds on",
        )
    return replace(manifest, files=files, parent=parent.id)


def _wait_for_end(call: Call, upload: Upload, wait_s: float) -> Upload:
    """The upload once it has ended, or as it is when the time is over or the client has gone."""
    deadline = time.monotonic() + wait_s
    while not upload.state.is_ended and (left_s := deadline - time.monotonic()) > 0 and not call.stdout.closed:
        upload = wait_for_change(
            call.services, call.caller, upload.id, upload.state.value, left_s, lambda: call.stdout.closed
        )
    return upload
