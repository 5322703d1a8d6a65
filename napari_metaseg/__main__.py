"""The command ``napari-metaseg``, and ``python -m napari_metaseg``: the engine's, and windows."""

import sys
from collections.abc import Sequence

from napari_metaseg import view
from napari_metaseg.review import command as review
from src_core.cli import main as cli

COMMANDS = (view.COMMAND, review.COMMAND)
"""Those besides the engine's."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; see `src_core.cli.main.main`."""
    return cli.main(arguments, COMMANDS)


if __name__ == "__main__":
    sys.exit(main())
