"""What is around a backup: the lock of its series, steps before and after it, retries and limits."""
