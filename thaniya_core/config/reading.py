"""Finding and reading the file. An error names file, key and what was expected."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec.structs import replace

from thaniya_core.config.decoding import decode_special
from thaniya_core.config.settings import Config, Metrics, Paths, Settings
from thaniya_core.errors import ConfigInvalid


def find_config(given: Path | None) -> Path:
    """The configuration file to use: the one given, $THANIYA_CONFIG, ./thaniya.toml or /etc/thaniya/thaniya.toml.

    Raises:
        ConfigInvalid: there is none.
    """
    if given is not None:
        candidates = [given]
    elif os.environ.get("THANIYA_CONFIG"):
        candidates = [Path(os.environ["THANIYA_CONFIG"])]
    else:
        candidates = [Path("thaniya.toml"), Path("/etc/thaniya/thaniya.toml")]
    for candidate in candidates:
        if candidate.is_file():
            if given is None:
                _check_owner(candidate)
            return candidate.absolute()
    raise ConfigInvalid(
        f"no configuration file: looked for {', '.join(str(path) for path in candidates)}",
        hint="make one with `thaniya init DIRECTORY`, or name it with --config",
    )


def _check_owner(file: Path) -> None:
    """Root follows no configuration that somebody else may have laid in its way: it names programs to run."""
    if os.geteuid() == 0 and (file.stat().st_uid != 0 or file.stat().st_mode & 0o022):
        raise ConfigInvalid(
            f"{file.absolute()} can be changed by others than root, and root would do what it says",
            hint=f"if you trust it, name it: --config {file.absolute()}",
        )


def load_config(file: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigInvalid: it cannot be read, is no TOML, or a key is unknown or of the wrong kind.
    """
    try:
        text = file.read_bytes()
        settings = msgspec.toml.decode(text, type=Settings, dec_hook=decode_special)
    except OSError as exc:
        hint = "run this as root" if isinstance(exc, PermissionError) else ""
        raise ConfigInvalid(f"{file} cannot be read: {exc.strerror}", hint=hint) from exc
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise ConfigInvalid(f"{file}: {exc}", hint="see docs/configuration.md") from exc
    base = file.absolute().parent
    given = settings.paths
    paths = Paths(state=base / given.state, spool=base / given.spool, slots=base / given.slots)
    volumes = replace(settings.volumes, search=tuple(base / place for place in settings.volumes.search))
    textfile = settings.metrics.textfile
    metrics = Metrics(None if textfile is None else base / textfile)
    located = {"paths": paths, "volumes": volumes, "metrics": metrics, "file": file.absolute()}
    return Config(**{**msgspec.structs.asdict(settings), **located})
