"""Thaniya's core: the backup server and what server and client share. It knows no screen."""

__version__ = "0.1.0"
