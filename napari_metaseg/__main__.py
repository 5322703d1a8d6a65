"""``python -m napari_metaseg`` is the command ``napari-metaseg``."""

import sys

from src_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
