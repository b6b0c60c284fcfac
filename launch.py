"""Start Darkroom: `python launch.py`. Any Python can read this file, so that an old one gets a sentence."""

import os
import sys

NEEDED = (3, 11)

if __name__ == "__main__":
    if sys.version_info < NEEDED:
        sys.stderr.write(
            "Darkroom needs Python %s.%s or newer; this is Python %s.%s (%s).\n"
            "Install a newer one from https://www.python.org/downloads/ or with your system's packages, then start\n"
            "this file with it, for example: python3.12 launch.py\n"
            % (NEEDED + tuple(sys.version_info[:2]) + (sys.executable,))
        )
        sys.exit(1)
    from webui.bootstrap.main import main  # not above: an old Python could not read it

    sys.exit(main(os.path.dirname(os.path.abspath(__file__)), sys.argv[1:], dict(os.environ)))  # noqa: PTH100, PTH120
