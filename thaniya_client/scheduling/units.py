"""The texts of systemd's units (systemd.service(5), systemd.timer(5), systemd.syntax(7))."""

from __future__ import annotations

from thaniya_client.scheduling.run import ScheduledRun


def service_text(run: ScheduledRun, *, is_user: bool) -> str:
    """The service that makes the backup once.

    Args:
        run: what is to be run.
        is_user: it is for a user's own systemd, which knows no network.
    """
    network = "" if is_user else "Wants=network-online.target\nAfter=network-online.target\n"
    account = "" if is_user else "# Sets HOME too, where programs look for their settings.\nUser=root\n"
    return f"""\
# Written by `thaniya-client schedule install {run.profile}`, which writes it anew when it is run again.
# Own settings: `systemctl {"--user " if is_user else ""}edit {run.unit}.service`.

[Unit]
Description=Backup {run.profile} by Thaniya
{network}
[Service]
Type=oneshot
{account}ExecStart={" ".join(map(quote_argument, run.arguments))}
# 3: the backup was made, with warnings, which are in the journal.
SuccessExitStatus=3
# Steps after the backup may take ten minutes each, also when it is stopped.
TimeoutStopSec=15min
"""


def timer_text(run: ScheduledRun) -> str:
    """The timer that starts the service; what was missed while the machine was off is made up for."""
    return f"""\
# Written by `thaniya-client schedule install {run.profile}`, which writes it anew when it is run again.

[Unit]
Description=Backup {run.profile} by Thaniya, from time to time

[Timer]
OnCalendar={run.schedule.calendar}
RandomizedDelaySec={run.delay_s}
Persistent=true

[Install]
WantedBy=timers.target
"""


def quote_argument(argument: str) -> str:
    """An argument as ExecStart= takes it: no specifier, variable or quote in it means anything."""
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
