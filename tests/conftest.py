"""What holds for every test."""

from __future__ import annotations

import os
import signal

import pytest


def pytest_configure() -> None:
    """Heed SIGINT and SIGHUP, as programs that a test starts and interrupts do then.

    A shell that is no terminal's starts `pytest &` with SIGINT ignored, nohup with SIGHUP; what is ignored stays so in
    children.
    """
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the home directory, the agent or the configuration of the person who runs it."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    thaniya = ("THANIYA_CONFIG", "THANIYA_CLIENT_CONFIG", "THANIYA_CLIENT_TARGET")
    for name in ("SSH_AUTH_SOCK", *thaniya, "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)


IMPOSSIBLE = "cannot run here: "
"""A skip whose reason begins so is no failure in CI either: the machine has not what no package brings."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """In CI a test that this machine could run must run."""
    if needless_skips(terminalreporter):
        terminalreporter.section("skipped tests are failures here", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and needless_skips(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def needless_skips(reporter: pytest.TerminalReporter) -> bool:
    """Whether this is CI, and a test was skipped that could have run."""
    reasons = [why_skipped(each) for each in reporter.stats.get("skipped", [])]
    return os.environ.get("THANIYA_NO_SKIPS") == "1" and not all(reason.startswith(IMPOSSIBLE) for reason in reasons)


def why_skipped(report: pytest.TestReport) -> str:
    """The reason that was given to `pytest.skip` or to the mark; pytest keeps file, line and `Skipped: REASON`."""
    assert isinstance(report.longrepr, tuple)
    return report.longrepr[2].removeprefix("Skipped: ")
