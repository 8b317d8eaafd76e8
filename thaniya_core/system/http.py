"""Requests over HTTP, small ones: the answer is not looked at, but for its status."""

from __future__ import annotations

import base64
import http.client
import urllib.error
import urllib.request
from email.message import Message
from typing import IO
from urllib.parse import unquote, urlsplit

from thaniya_core.errors import ConnectionLost, ThaniyaError

_ANSWER_BYTES = 64 * 1024


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: following one would turn a POST into a GET, and send what was written to a stranger."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


def send(url: str, timeout_s: float, json: bytes | None = None) -> None:
    """GET an address, or POST JSON to it. Certificates are verified; proxies are those of the environment.

    Args:
        url: begins with http:// or https://; a user and a password before the host are sent as RFC 7617 has it. Only
            the host appears in errors: the rest may be a secret.
        timeout_s: for each step of the exchange; a peer that answers slowly may take longer.
        json: what is posted.

    Raises:
        ConnectionLost: the peer could not be reached.
        ThaniyaError: it answered with anything but success.
    """
    parts = urlsplit(url)
    host = parts.hostname or "?"
    headers = {"User-Agent": "thaniya"} | ({} if json is None else {"Content-Type": "application/json"})
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    request = urllib.request.Request(address, json, headers)
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=timeout_s) as answer:
            answer.read(_ANSWER_BYTES)
    except urllib.error.HTTPError as exc:
        exc.close()
        hint = "give the address that it redirects to" if 300 <= exc.code < 400 else ""
        raise ThaniyaError(f"{host} answered {exc.code} {exc.reason}", hint=hint) from exc
    except http.client.InvalidURL as exc:
        raise ThaniyaError(f"{host}: the address cannot be used") from exc
    except urllib.error.URLError as exc:
        raise ConnectionLost(f"{host} cannot be reached: {exc.reason}") from exc
    except (OSError, http.client.HTTPException) as exc:
        raise ConnectionLost(f"{host} cannot be reached: {exc or type(exc).__name__}") from exc
    except ValueError as exc:
        raise ThaniyaError(f"{host}: the address cannot be used") from exc
