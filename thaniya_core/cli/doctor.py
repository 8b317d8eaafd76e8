"""`thaniya doctor`."""

from __future__ import annotations

from pathlib import Path

import typer

from thaniya_core.cli.output import JsonOption
from thaniya_core.config import find_config, load_config
from thaniya_core.doctor import Finding, Level, Machine, diagnose, make_subject
from thaniya_core.errors import ConfigInvalid
from thaniya_core.store import TinyStore
from thaniya_core.system.clock import SystemClock
from thaniya_core.system.harmless import make_harmless
from thaniya_core.system.terminal import show_json, show_table

MARKS = {Level.OK: "✓ ok", Level.WARN: "! warning", Level.FAIL: "✗ failed", Level.SKIPPED: "- skipped"}


def doctor(context: typer.Context, as_json: JsonOption = False) -> None:
    """Examine everything the server stands on, and say what mends what is wrong. Mends nothing.

    With sshd it logs in for real: a key made for this lies in the state for some seconds and runs a harmless command.
    Only root can make every check; for anybody else those are shown as skipped. Exit code 1 when something failed.

    Example: sudo thaniya doctor
    """
    given = context.find_root().params.get("config")
    findings = _examine(Path(given) if given else None)
    if as_json:
        show_json(findings)
    else:
        _show(findings)
    if any(finding.level is Level.FAIL for finding in findings):
        raise typer.Exit(1)


def _examine(config_file: Path | None) -> list[Finding]:
    try:
        config = load_config(find_config(config_file))
    except ConfigInvalid as error:
        return [Finding("configuration", Level.FAIL, error.message, error.hint or "run this as root")]
    subject = make_subject(config, Machine(), TinyStore(config.paths.state), SystemClock())
    return [Finding("configuration", Level.OK, str(config.file)), *diagnose(subject)]


def _show(findings: list[Finding]) -> None:
    show_table(["", "", "found"], [[MARKS[each.level], each.name, each.what] for each in findings])
    for level, heading in ((Level.WARN, "Worth a look"), (Level.FAIL, "To be mended")):
        by_cure: dict[str, list[Finding]] = {}
        for each in findings:
            if each.level is level:
                by_cure.setdefault(each.cure, []).append(each)
        if by_cure:
            print(f"\n{heading}:")
        for cure, concerned in by_cure.items():
            for each in concerned:
                print(make_harmless(f"  {each.name}: {each.what}"))
            if cure:
                print(make_harmless(f"    {cure}"))
    counts = {level: sum(each.level is level for each in findings) for level in Level}
    print(
        f"\n{counts[Level.OK]} ok, {counts[Level.WARN]} warnings, {counts[Level.FAIL]} failed, "
        f"{counts[Level.SKIPPED]} skipped"
    )
