"""The console: an administrator's view of a server, and hands to act on it."""

from thaniya_tui.app import Console

__all__ = ["Console"]
