"""``python -m kijabi``: the command line."""

from kijabi.cli import main

if __name__ == "__main__":
    main()
