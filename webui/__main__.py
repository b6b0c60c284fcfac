"""`python -m webui`, which launch.py hands over to: the command line, or a sentence when a package is missing."""

import sys

if __name__ == "__main__":
    try:
        from webui.cli import main  # not above: what is missing shall be a sentence
        from webui.core.leaving import leave

        code = main()
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "webui":
            raise  # no package's fault
        sys.stderr.write(
            f"A package of Darkroom is missing or damaged: {error}.\n"
            "  - Delete the folder .venv and start launch.py again\n"
        )
        sys.exit(1)
    leave(code)
