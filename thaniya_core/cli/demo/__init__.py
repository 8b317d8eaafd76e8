"""`thaniya demo`: a backup travels the whole way, with real programs on real files."""

from thaniya_core.cli.demo.command import demo

__all__ = ["demo"]
