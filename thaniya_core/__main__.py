"""`python -m thaniya_core` is `thaniya`."""

from thaniya_core.cli.main import main

if __name__ == "__main__":
    main()
