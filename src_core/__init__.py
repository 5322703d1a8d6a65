"""The engine of napari-metaseg: reads, fits, decodes and writes. It needs neither napari nor Qt."""

__version__ = "0.1.0"
