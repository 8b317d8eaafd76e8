"""A real server on a machine with sshd: what it consists of, setting it up, taking it back."""
