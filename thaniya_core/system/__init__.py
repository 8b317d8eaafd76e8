"""The only doors to the outside: processes, files and the clock."""
