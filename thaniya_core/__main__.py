"""The entry point of the command `thaniya`, also as `python -m thaniya_core`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line, or say how to install the server where only the client is there."""
    # A `kill` ends a command as Ctrl-C does: what it started ends too. The service has a handler of its own.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(_run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)  # while it was still being loaded
    except ModuleNotFoundError as error:
        if error.name != "tinydb":
            raise
        sys.exit("thaniya: the server is not installed here, only the client\n  pip install 'thaniya[server]'")


def _run(arguments: Sequence[str]) -> int:
    from thaniya_core.cli.forced_command import parse_forced_command, run_forced_command

    forced = parse_forced_command(arguments)
    if forced is not None:
        return run_forced_command(forced, arguments)
    # Imported after the look at the arguments: to load the command line takes twice as long as a client's command.
    from thaniya_core.cli.main import run

    return run(arguments)


if __name__ == "__main__":
    main()
