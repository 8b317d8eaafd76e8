"""Running profiles by themselves: by timers of systemd, or by cron."""
