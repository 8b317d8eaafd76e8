"""The entry point of the command `thaniya`, also as `python -m thaniya_core`."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line, or say how to install the server where only the client is there."""
    try:
        from thaniya_core.cli.main import run
    except ModuleNotFoundError as error:
        if error.name != "tinydb":
            raise
        sys.exit("thaniya: the server is not installed here, only the client\n  pip install 'thaniya[server]'")
    # A `kill` ends a command as Ctrl-C does: what it started ends too. The service has a handler of its own.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
