"""Write the preferences that the plugin has into both copies of ``napari.yaml``.

Run it after an option that is remembered was added: ``python scripts/write_manifest.py``.
"""

from pathlib import Path

import yaml

from napari_metaseg.preferences import configurations

ROOT = Path(__file__).parents[1]
HEAD = "  configurations:\n"


def main() -> None:
    """Replace the last block of the manifest, which is that of the preferences."""
    text = (ROOT / "napari_metaseg" / "napari.yaml").read_text(encoding="utf-8")
    before, _, _ = text.partition(HEAD)
    block = yaml.safe_dump(configurations(), sort_keys=False, width=1000, allow_unicode=True)
    lines = "".join(f"    {line}\n" for line in block.splitlines())
    for folder in (ROOT, ROOT / "napari_metaseg"):
        (folder / "napari.yaml").write_text(before + HEAD + lines, encoding="utf-8")


if __name__ == "__main__":
    main()
