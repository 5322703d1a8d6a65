"""Scans that are prepared before they are asked for."""

from __future__ import annotations

from napari_metaseg.run.status import State


def test_an_expected_scan_is_not_prepared_again(watcher, monkeypatch) -> None:
    import src_core.preparation.prepare as preparation

    prepared = []
    see = preparation.see
    monkeypatch.setattr(
        preparation, "see", lambda *arguments: prepared.append(1) or see(*arguments)
    )
    watcher.job.expect(watcher.request)
    fitted = []
    for _ in range(2):
        watcher.start()
        watcher.until(lambda: not watcher.job.state.running)
        assert watcher.job.state is State.DONE
        fitted.append(watcher.session.prepared.network.fitted_vector())
    assert prepared == [1]
    # Nothing of the first fit is left in the second.
    assert (fitted[0] == fitted[1]).all()
