"""The ways to tell people: mail, a command, webhooks, and what Apprise knows. Each sends one message, or says why not.

What only one of them needs is imported where it is used: most commands, and the broker, send nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from thaniya_core.config import Notify
from thaniya_core.errors import ThaniyaError
from thaniya_core.monitor.message import Message, body, title
from thaniya_core.system.harmless import make_harmless
from thaniya_core.system.run import feed


class Channel(Struct, frozen=True):
    """A way to tell people."""

    name: str
    """Tells it from the others, and holds no secret: it is written to the audit log."""
    send: Callable[[Message], None]
    """Sends a message, or raises ThaniyaError or OSError."""


def make_channels(settings: Notify, account: str) -> list[Channel]:
    """The channels that are configured.

    Args:
        settings: `[notify]`.
        account: who runs Thaniya, the sender of mail unless the settings name one.
    """
    channels = []
    if any(settings.mail):
        channels.append(Channel("mail", partial(_send_mail, settings, account)))
    if settings.command:
        channels.append(Channel(f"command {settings.command[0]}", partial(_run_command, settings)))
    for number, webhook in enumerate(settings.webhooks, 1):
        name = f"webhook {number} ({urlsplit(webhook).hostname})"
        channels.append(Channel(name, partial(_post, webhook, settings.timeout)))
    for number, url in enumerate(settings.apprise, 1):
        scheme = url.partition(":")[0][:20]  # what follows it may be a secret
        channels.append(Channel(f"apprise {number} ({scheme})", partial(_send_by_apprise, url)))
    return channels


def make_mail(message: Message, sender: str, recipients: tuple[str, ...]) -> bytes:
    """The message as RFC 5322 has it, with lines that end as sendmail wants them."""
    from email.message import EmailMessage
    from email.policy import default as default_policy
    from email.utils import format_datetime, make_msgid

    mail = EmailMessage(default_policy)
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = make_harmless(title(message))
    mail["Date"] = format_datetime(message.sent_at)
    mail["Message-ID"] = make_msgid(domain=message.server)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday is to answer this
    mail.set_content(body(message), cte="quoted-printable")
    return bytes(mail)


def _send_mail(settings: Notify, account: str, message: Message) -> None:
    sender = settings.mail_from or f"{account}@{message.server}"
    mail = make_mail(message, sender, settings.mail)
    feed([str(settings.sendmail), "-t", "-oi"], mail, timeout_s=settings.timeout)


def _run_command(settings: Notify, message: Message) -> None:
    feed(
        settings.command,
        msgspec.json.encode(message) + b"\n",
        env={
            "THANIYA_STATUS": str(message.status),
            "THANIYA_SUMMARY": make_harmless(title(message)),
            "THANIYA_CHANGES": str(len(message.changes)),
            "THANIYA_FINDINGS": str(message.findings),
        },
        timeout_s=settings.timeout,
    )


def _post(url: str, timeout_s: float, message: Message) -> None:
    from thaniya_core.system.http import send

    send(url, timeout_s, msgspec.json.encode(message))


def _send_by_apprise(url: str, message: Message) -> None:
    try:
        import apprise
    except ImportError as exc:
        raise ThaniyaError("Apprise is not installed", hint="pip install 'thaniya[notify]'") from exc
    sender = apprise.Apprise()
    if not sender.add(url):
        raise ThaniyaError("Apprise does not understand this address", hint="see [notify] apprise in thaniya.toml")
    if not sender.notify(title=make_harmless(title(message)), body=body(message)):
        raise ThaniyaError("Apprise could not send the message")
