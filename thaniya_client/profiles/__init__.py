"""Backups that are described in the configuration: what, where to, when, and what is around them."""
