"""The engine of napari-metaseg: reads, fits, decodes and writes. It needs neither napari nor Qt."""

import os

__version__ = "0.1.0"

# Waiting OpenMP threads spin by default. As soon as another program keeps a core busy, that makes a
# fit ten times slower. OpenMP reads this once, when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
