"""The command `thaniya-tui`."""

from __future__ import annotations

import gc
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from thaniya_core.errors import ExitCode, NotFound, ThaniyaError, WrongUsage
from thaniya_core.server import open_server
from thaniya_core.views import ConsoleTheme, end_programs, login_actor, show_error
from thaniya_tui import themes
from thaniya_tui.app import Console
from thaniya_tui.keys import check_keys


def open_console(config_file: Path | None, *, is_read_only: bool, theme: ConsoleTheme | None) -> int:
    """Show a server in this terminal until the person leaves; gives the exit code.

    Args:
        config_file: of the server; None for the default.
        is_read_only: nothing can be changed.
        theme: instead of the configured one.

    Raises:
        WrongUsage: there is no terminal, or the configuration names a key for a binding that is not there.
        ThaniyaError: the server cannot be opened.
    """
    check_terminal()
    server = open_server(config_file)
    settings = server.config.console
    keys = check_keys(settings.keys, str(server.config.file))
    # What would be written to stderr would be written over the screen; all of it is in the audit log or told here.
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    gc.freeze()  # what is loaded by now stays: looking for garbage in it would hold the screen up each time
    console = Console(
        server,
        login_actor(),
        is_read_only=is_read_only,
        theme=themes.NAMES[theme or settings.theme],
        keys=keys,
        keep=gc.freeze,
    )
    try:
        console.run()
    finally:
        # Threads are not waited for: what they have started would run on.
        end_programs()
    return console.return_code or ExitCode.DONE


def serve_console(config_file: Path | None, *, is_read_only: bool, theme: ConsoleTheme | None, port: int) -> None:
    """Serve the console to browsers of this machine until the process is asked to end.

    Args:
        config_file, is_read_only, theme: as for `open_console`.
        port: where to listen; 0 takes a free one.

    Raises:
        NotFound: textual-serve is not installed.
        ThaniyaError: the server cannot be opened, or the port is taken.
    """
    try:
        from thaniya_tui.web import serve
    except ModuleNotFoundError as error:
        if error.name not in ("textual_serve", "aiohttp", "aiohttp_jinja2"):
            raise
        raise NotFound("what serves a browser is not installed here", hint="pip install 'thaniya[web]'") from error
    # Opened here to tell what is wrong with it, and as root to become the service user before anybody can come in.
    server = open_server(config_file)
    command = [sys.executable, "-m", "thaniya_tui", "--config", str(server.config.file)]
    command += ["--read-only"] if is_read_only else []
    command += ["--theme", theme.value] if theme is not None else []
    serve(command, port, lambda address: print(f"{address}\nCtrl+C ends it.", flush=True))


def check_terminal() -> None:
    """Make sure that there is somebody to show something to.

    Raises:
        WrongUsage: there is no terminal.
    """
    if os.environ.get("TEXTUAL_DRIVER"):
        return  # it is drawn elsewhere, as in a browser
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise WrongUsage("the console needs a terminal", hint="in scripts and pipes use `thaniya overview`")
    check_encoding(sys.__stderr__.encoding if sys.__stderr__ is not None else "")


def check_encoding(encoding: str) -> None:
    """Make sure that what is drawn arrives as signs: elsewhere the whole screen would be escapes.

    Args:
        encoding: of what is drawn on, as the locale says.

    Raises:
        WrongUsage: it has no boxes, bars and ticks.
    """
    try:
        "╭─✓✗█▏".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        raise WrongUsage(
            f"the locale of this terminal ({encoding or 'none'}) has not the signs that the console draws",
            hint="set one with UTF-8, as in `LC_ALL=C.UTF-8 thaniya-tui`, or use `thaniya overview`",
        ) from None


def main() -> NoReturn:
    """Run the command and end the process."""
    try:
        _app()
    except ThaniyaError as error:
        show_error("thaniya-tui", error, as_json=False)
        sys.exit(error.exit_code)
    sys.exit(ExitCode.DONE)


_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@_app.command()
def _command(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help="Configuration file. [default: $THANIYA_CONFIG, ./thaniya.toml, /etc/thaniya/…]"
        ),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Look only; nothing can be changed.")] = False,
    theme: Annotated[ConsoleTheme | None, typer.Option(help="Colours. [default: theme of [console]]")] = None,
    web: Annotated[
        bool, typer.Option("--web", help="Serve it to a browser of this machine; prints the address, which is secret.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where --web listens; 0 takes a free port.")] = 8383,
) -> None:
    """Open the console of a Thaniya server: live uploads, backups, retention, users, volumes, jobs, the log.

    Example: thaniya-tui --read-only
    """
    if web:
        serve_console(config, is_read_only=read_only, theme=theme, port=port)
        return
    raise typer.Exit(open_console(config, is_read_only=read_only, theme=theme))


if __name__ == "__main__":
    main()
