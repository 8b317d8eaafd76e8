"""Incremental backups: when one is full, the snapshot files of GNU tar, and what is agreed with a place."""
