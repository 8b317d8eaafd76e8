"""The headless commands, one file a noun."""
