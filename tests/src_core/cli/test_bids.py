"""The command `bids`: what its help says."""

from __future__ import annotations

import pytest

from tests.helpers.command_line import run


def test_help_names_the_prefixes_of_people_and_sessions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        run("bids", "--help")
    said = " ".join(capsys.readouterr().out.split())
    assert "with or without sub-" in said
    assert "with or without ses-" in said
