"""The command `thaniya-client`."""

from thaniya_client.cli.main import main

__all__ = ["main"]
