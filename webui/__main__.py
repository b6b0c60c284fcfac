"""`python -m webui`, which launch.py hands over to: the command line, or a sentence when a package is missing."""

import sys

if __name__ == "__main__":
    try:
        from webui.cli import main  # not above: what is missing shall be a sentence
    except ImportError as error:
        sys.stderr.write(
            f"A package of Darkroom is missing or damaged: {error}.\n"
            "  - Delete the folder .venv and start launch.py again\n"
        )
        sys.exit(1)
    sys.exit(main())
