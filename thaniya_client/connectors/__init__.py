"""Where backups go to and come from."""
