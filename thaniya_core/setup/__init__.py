"""Setting a real server up on a machine."""
