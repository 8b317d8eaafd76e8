"""Where the library comes from that encrypts and decrypts."""

from __future__ import annotations

import importlib
from types import ModuleType

from thaniya_core.errors import WrongUsage


def load_pyrage() -> ModuleType:
    """The library pyrage. It is loaded only where something is encrypted.

    Raises:
        WrongUsage: it is not installed.
    """
    try:
        return importlib.import_module("pyrage")
    except ImportError as exc:
        raise WrongUsage(
            "encryption needs the Python package pyrage, which is not installed",
            hint="pip install 'thaniya[encryption]'",
        ) from exc
