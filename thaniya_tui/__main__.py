"""`python -m thaniya_tui` is the command `thaniya-tui`."""

from thaniya_tui.command import main

main()
