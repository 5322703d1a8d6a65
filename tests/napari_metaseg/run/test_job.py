"""A segmentation as the panel sees it: every state, every command, and what may go wrong."""

from __future__ import annotations

import gc
import random
import threading
import time
import weakref
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_metaseg.layers.live_array import LiveArray
from napari_metaseg.layers.orientation import orientation_of
from napari_metaseg.run import pace
from napari_metaseg.run import session as session_module
from napari_metaseg.run.job import Job
from napari_metaseg.run.mailbox import Mailbox
from napari_metaseg.run.readout import LABELS, Readout
from napari_metaseg.run.region import COARSE, PREVIEW_SPACING, WHOLE, Region
from napari_metaseg.run.request import Request
from napari_metaseg.run.session import Session
from napari_metaseg.run.status import State
from src_core.errors import InputError
from src_core.fitting.fit import Fit
from src_core.io.sample import phantom
from src_core.io.scan import scan_from_array
from src_core.preparation.alignment import Alignment
from src_core.segment import segment

if TYPE_CHECKING:
    from src_core.results.segmentation import Segmentation
    from collections.abc import Callable, Iterator

ITERATIONS = 12
PATIENCE = 60.0
PLANE = Region(1, 20)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The phantom lies where the template is; nothing waits, for a user or for other programs."""
    monkeypatch.setattr("napari_metaseg.run.engine_thread._lower_priority", lambda: None)
    monkeypatch.setattr("src_core.models.model.template_image", lambda network: None)
    monkeypatch.setattr(
        "src_core.preparation.prepare.align", lambda *_: Alignment(np.eye(4), "none", np.nan)
    )
    monkeypatch.setattr(pace, "REST_ON_CPU", 0.0)
    monkeypatch.setattr(pace, "LIVE_SHARE", 1e9)
    monkeypatch.setattr(pace, "REST_BEFORE_WHOLE", 0.0)


class Steps:
    """Lets the fit take so many steps, and rests in the next one."""

    def __init__(self) -> None:
        self._allowed = threading.Semaphore(0)
        self._free = False
        self.taken = 0

    def allow(self, count: int = 1) -> None:
        self._allowed.release(count)

    def free(self) -> None:
        self._free = True
        self._allowed.release(1000)

    def wait(self) -> None:
        if not self._free:
            assert self._allowed.acquire(timeout=PATIENCE)
        self.taken += 1


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    """The fit takes a step when the test says so."""
    steps, descend = Steps(), Fit._descend

    def when_allowed(fit: Fit, iteration: int) -> Any:
        steps.wait()
        return descend(fit, iteration)

    monkeypatch.setattr(Fit, "_descend", when_allowed)
    yield steps
    steps.free()


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps take as long as those of a real scan."""
    step = Fit.__next__

    def sleepily(fit: Fit) -> Any:
        time.sleep(0.01)
        return step(fit)

    monkeypatch.setattr(Fit, "__next__", sleepily)


class Watcher:
    """A job with what its listeners heard, and the loop that a window would have."""

    def __init__(self, job: Job, request: Request):
        self.job = job
        self.request = request
        self.states: list[State] = []
        self.shown: list[int | None] = []
        self.failures: list[str] = []
        self.sessions: list[weakref.ref] = []
        self.threads: set[int] = set()
        job.state_changed.connect(self._on_state)
        job.shown_changed.connect(self._on_shown)
        job.failed.connect(self._on_failed)
        job.session_started.connect(self._on_session)

    def _on_state(self, state: State) -> None:
        self.states.append(state)
        self.threads.add(threading.get_ident())

    def _on_shown(self) -> None:
        self.shown.append(self.job.shown)
        self.threads.add(threading.get_ident())

    def _on_failed(self, message: str) -> None:
        self.failures.append(message)

    def _on_session(self, session: Session) -> None:
        self.sessions.append(weakref.ref(session))

    def start(self, **changes: Any) -> None:
        self.job.start(Request(**{**vars(self.request), **changes}))

    def until(self, condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.job.state, self.job.failure)
            self.job.poll()
            time.sleep(0.001)

    def poll_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.job.poll()
            time.sleep(0.001)

    def until_state(self, *states: State) -> None:
        self.until(lambda: self.job.state in states)

    def until_iteration(self, iteration: int) -> None:
        self.until(lambda: self.job.progress and self.job.progress.iteration >= iteration)

    def until_rest(self) -> None:
        """The fit is over and what is on the screen is decoded everywhere."""
        self.until(lambda: not self.job.state.running)
        self.until(lambda: self.job.table is None or self.job.table.exact)

    @property
    def session(self) -> Session:
        assert self.job.session is not None
        return self.job.session


@pytest.fixture(scope="module")
def slab(brain) -> np.ndarray:
    """A mask of the middle of the brain: what is decoded is soon decoded."""
    mask = brain.scan.voxels > 0
    mask[:, :16] = mask[:, 26:] = False
    return mask


@pytest.fixture
def watcher(brain, model_file, slab) -> Iterator[Watcher]:
    job = Job()
    request = Request(
        brain.scan, str(model_file), ITERATIONS, "cpu", mask=slab, reference=brain.labels
    )
    yield Watcher(job, request)
    assert job.close(PATIENCE)


@pytest.fixture
def job(watcher: Watcher) -> Job:
    return watcher.job


@pytest.fixture(scope="module")
def api(brain, model_file, slab) -> Segmentation:
    """The same fit without a window."""
    return segment(brain.scan, model=model_file, iterations=ITERATIONS, mask=slab, align=False)


def rises_strictly(values: list[int]) -> bool:
    return all(before < after for before, after in pairwise(values))


# A run, from the click to the last picture


def test_a_run_goes_through_its_states_in_order(watcher, job, monkeypatch, steps) -> None:
    monkeypatch.setattr(
        "src_core.preparation.prepare.align",
        lambda *_: time.sleep(0.1) or Alignment(np.eye(4), "none", np.nan),
    )
    assert job.state is State.IDLE
    watcher.start()
    assert job.state is State.LOADING
    watcher.until_state(State.FITTING)
    steps.free()
    watcher.until_state(State.DONE)
    order = [State.LOADING, State.ALIGNING, State.FITTING, State.FINISHING, State.DONE]
    assert [state for state in order if state in watcher.states] == watcher.states
    assert set(order) - set(watcher.states) <= {State.FINISHING}  # may be over between two polls
    assert watcher.threads == {threading.get_ident()}


def test_the_first_picture_is_of_iteration_0_and_comes_before_the_first_step(
    watcher, job, steps
) -> None:
    seen = []

    def look(session: Session) -> None:
        values, _ = session.pictures.volume(0, LABELS)
        seen.append((job.shown, session.shown, job.iterations, values is not None, job.table))

    job.session_started.connect(look)
    watcher.start()
    watcher.until_state(State.FITTING)
    (shown, session_shown, iterations, pictured, table) = seen.pop()
    assert (shown, session_shown, iterations, pictured) == (0, 0, (0,), True)
    assert table.iteration == 0
    assert [row.name for row in table.rows] == [s.name for s in watcher.session.protocol.structures]
    assert all(np.isnan(row.change) for row in table.rows)
    assert steps.taken == 0
    assert job.following
    assert job.progress.iteration == 0


def test_every_step_is_told_and_the_newest_iteration_is_followed(watcher, job, steps) -> None:
    watcher.start()
    for iteration in range(1, ITERATIONS + 1):
        steps.allow()
        watcher.until(lambda iteration=iteration: job.shown == iteration)
        assert job.progress.iteration == iteration
        assert job.progress.iterations == ITERATIONS
        assert job.progress.rate > 0
        assert job.progress.seconds_left >= 0
        assert job.iterations == tuple(range(iteration + 1))
    watcher.until_rest()
    assert watcher.shown == [None, *range(ITERATIONS + 1)]
    assert job.suggested == ITERATIONS
    assert [point.iteration for point in job.curve] == list(range(1, ITERATIONS + 1))
    assert all(0 < point.dice < 1 and point.psnr > 0 for point in job.curve)
    assert job.table.iteration == ITERATIONS
    assert job.device.startswith("CPU, ")


def test_no_point_of_the_curve_is_lost_between_two_polls(watcher, job, monkeypatch) -> None:
    monkeypatch.setattr(pace, "LIVE_SHARE", 0.0)
    watcher.start(iterations=300)
    watcher.until_state(State.DONE)
    assert [point.iteration for point in job.curve] == list(range(1, 301))


def test_the_labels_are_those_of_the_api(watcher, job, api) -> None:
    watcher.start()
    watcher.until_rest()
    np.testing.assert_array_equal(watcher.session.label_map(ITERATIONS), api.labels)


def test_the_suggested_iteration_is_the_model_s_own_number(watcher, job) -> None:
    watcher.start(iterations=ITERATIONS + 8)
    watcher.until_state(State.DONE)
    assert job.suggested == ITERATIONS
    assert job.iterations[-1] == ITERATIONS + 8


def test_what_should_be_known_of_the_scan_is_told(watcher, job, brain) -> None:
    scan = scan_from_array(brain.scan.voxels, brain.scan.affine)
    watcher.start(scan=scan)
    watcher.until_state(State.DONE)
    assert scan.notes
    assert job.notes == scan.notes


def test_no_iterations_at_all_show_the_start(watcher, job) -> None:
    watcher.start(iterations=0)
    watcher.until_rest()
    assert job.state is State.DONE
    assert job.shown == 0
    assert job.curve == []


def test_what_stays_on_the_screen_is_counted_at_every_voxel(watcher, job) -> None:
    watcher.start()
    watcher.until_rest()
    table = job.table
    assert table.iteration == ITERATIONS
    labels = watcher.session.label_map(ITERATIONS)
    for row in table.rows:
        assert row.volume == pytest.approx((labels == row.id).sum() * 0.064)
        assert 0 < row.dice < 1


def test_the_device_is_known_before_the_first_fit(watcher, job) -> None:
    heard = []
    job.device_changed.connect(lambda: heard.append(job.device))
    job.warm_up(watcher.request.model, "cpu")
    watcher.until(lambda: job.device)
    assert heard == [job.device]
    assert job.device.startswith("CPU, ")
    assert job.state is State.IDLE


def test_nothing_is_said_of_a_model_that_cannot_be_warmed_up(watcher, job) -> None:
    job.warm_up("no such model", "cpu")
    watcher.until(lambda: job.device)
    watcher.start()
    watcher.until_state(State.DONE)
    assert watcher.failures == []


# Which iteration is on the screen


def test_asking_for_an_iteration_ends_following_and_shows_exactly_that_one(
    watcher, job, steps
) -> None:
    heard = []
    job.following_changed.connect(heard.append)
    watcher.start()
    steps.allow(5)
    watcher.until(lambda: job.shown == 5)
    job.show(3)
    watcher.until(lambda: job.shown == 3)
    assert not job.following
    steps.allow(3)
    watcher.until_iteration(8)
    watcher.poll_for(0.05)
    assert job.shown == 3
    job.follow()
    assert job.following
    steps.free()
    watcher.until_rest()
    assert job.shown == ITERATIONS
    assert heard[-2:] == [False, True]


def test_asking_for_the_newest_follows_it(watcher, job) -> None:
    watcher.start()
    watcher.until_rest()
    job.show(2)
    watcher.until(lambda: job.shown == 2)
    job.show(1000)
    assert job.following
    watcher.until(lambda: job.shown == ITERATIONS)
    job.show(-5)
    watcher.until(lambda: job.shown == 0)
    assert not job.following


def test_never_is_another_iteration_on_the_screen_than_the_one_that_is_told(
    watcher, job, api, slowly
) -> None:
    truths = [api.labels_at(iteration) for iteration in range(ITERATIONS + 1)]
    checked = []

    def check() -> None:
        session = job.session
        if session is None or job.shown is None:
            return
        array = LiveArray(
            session,
            LABELS,
            orientation_of(session.scan.affine, session.scan.shape),
            lambda region: None,
        )
        values = np.asarray(array[...])
        sample = tuple(session.pictures.regions.indices[session.pictures.numbers(COARSE)].T)
        # (S, A, R) of an RAS scan: the axes are reversed.
        found = values.T[sample]
        assert (found == truths[job.shown][sample]).all()
        assert [i for i, truth in enumerate(truths) if (truth[sample] == found).all()] == [
            job.shown
        ]
        if job.table is not None and job.table.iteration == job.shown:
            checked.append(job.shown)

    for signal in (job.shown_changed, job.sharpened, job.table_changed, job.iterations_changed):
        signal.connect(check)
    generator = random.Random(0)
    watcher.start()
    watcher.until(lambda: job.session is not None)
    for _ in range(25):
        job.look_at(watcher.session, Region(generator.randrange(3), generator.randrange(40)))
        job.show(generator.randrange(ITERATIONS + 1))
        watcher.poll_for(generator.choice((0.0, 0.01, 0.03)))
        if generator.random() < 0.2:
            job.follow()
    watcher.until_rest()
    assert len(set(checked)) > 4


def test_the_plane_on_the_screen_becomes_sharp_wherever_the_user_is(watcher, job) -> None:
    watcher.start()
    watcher.until_rest()
    job.show(4)
    watcher.until(lambda: job.shown == 4)
    job.look_at(watcher.session, PLANE)
    watcher.until(lambda: watcher.session.pictures.plane(4, LABELS, 1, 20)[1])
    watcher.until(lambda: watcher.session.pictures.volume(4, LABELS)[1])


def test_a_live_picture_has_the_plane_on_the_screen_finer(watcher, job, steps) -> None:
    watcher.start()
    watcher.until_state(State.FITTING)
    job.look_at(watcher.session, PLANE)
    steps.allow()
    watcher.until(lambda: job.shown == 1)
    region = Region(PLANE.axis, PLANE.index, PREVIEW_SPACING)
    assert watcher.session.pictures.has(1, LABELS, region)


def test_what_another_scan_s_layers_look_at_is_not_decoded(watcher, job, monkeypatch) -> None:
    watcher.start()
    watcher.until_rest()
    old = watcher.session
    watcher.start()
    watcher.until_rest()
    monkeypatch.setattr(pace, "REST_BEFORE_WHOLE", 1000.0)
    job.show(2)
    watcher.until(lambda: job.shown == 2)
    done: list[None] = []
    job.look_at(old, PLANE)
    job.run(lambda: None, done.append)  # less urgent than what is looked at
    watcher.until(lambda: done)
    assert watcher.session.pictures.get(2, LABELS, PLANE) is None
    assert old.pictures.get(2, LABELS, PLANE) is None
    job.look_at(watcher.session, PLANE)
    watcher.until(lambda: watcher.session.pictures.get(2, LABELS, PLANE) is not None)


# Pausing


def test_a_pause_begins_at_once_and_after_at_most_one_more_step(watcher, job, steps) -> None:
    watcher.start()
    steps.allow(3)
    watcher.until(lambda: job.shown == 3)
    job.pause()
    assert job.state is State.PAUSED
    steps.allow(5)
    watcher.poll_for(0.1)
    assert steps.taken == 4
    assert job.progress.iteration == 4
    watcher.until(lambda: job.shown == 4)
    job.resume()
    assert job.state is State.FITTING
    watcher.until_iteration(8)
    steps.free()
    watcher.until_rest()
    assert job.state is State.DONE


def test_a_pause_changes_nothing_of_the_result(watcher, job, api, slowly) -> None:
    watcher.start()
    watcher.until_iteration(4)
    job.pause()
    job.show(2)
    watcher.until(lambda: job.shown == 2 and job.table.exact)
    job.resume()
    watcher.until_state(State.DONE)
    job.follow()
    watcher.until_rest()
    np.testing.assert_array_equal(watcher.session.label_map(ITERATIONS), api.labels)


def test_going_on_does_not_forget_which_iteration_was_asked_for(
    watcher, job, monkeypatch, steps
) -> None:
    monkeypatch.setattr(pace, "REST_BEFORE_WHOLE", 1000.0)
    monkeypatch.setattr(pace, "LIVE_SHARE", 0.0)
    busy = threading.Event()
    watcher.start()
    steps.allow(6)
    watcher.until_iteration(6)
    job.pause()
    steps.free()
    watcher.until_iteration(7)
    watcher.until(lambda: job.shown == 7)
    watcher.poll_for(0.05)
    # The engine is busy with something else while the user asks, and then goes on.
    job.run(lambda: busy.wait(PATIENCE), lambda result: None)
    job.show(3)
    job.resume()
    busy.set()
    watcher.until(lambda: job.shown == 3)
    watcher.until_state(State.DONE)
    assert job.shown == 3


def test_a_change_is_counted_at_the_same_voxels_and_known_from_the_second_on(
    watcher, job, monkeypatch
) -> None:
    monkeypatch.setattr(pace, "REST_BEFORE_WHOLE", 1000.0)
    watcher.start()
    watcher.until_state(State.DONE)
    for iteration in (2, 9):
        job.show(iteration)
        watcher.until(lambda iteration=iteration: job.table.iteration == iteration)
    estimated = [row.change for row in job.table.rows]
    monkeypatch.setattr(pace, "REST_BEFORE_WHOLE", 0.0)
    watcher.until(lambda: job.table.exact)
    assert [row.change for row in job.table.rows] == estimated
    job.show(2)
    watcher.until(lambda: job.table.iteration == 2 and job.table.exact)
    two, nine = (watcher.session.label_map(iteration) for iteration in (2, 9))
    for row in job.table.rows:
        change = ((two == row.id).sum() - (nine == row.id).sum()) * 0.064
        assert row.change == pytest.approx(change)


def test_a_pause_after_the_last_step_is_soon_over(watcher, job, steps, monkeypatch) -> None:
    monkeypatch.setattr(session_module, "_PIECE", 100)
    last_picture, read = threading.Event(), Session.read

    def slow_read(session: Session, iteration: int, *others: Any) -> Any:
        if iteration == ITERATIONS:
            last_picture.set()
            time.sleep(0.05)
        return read(session, iteration, *others)

    watcher.start()
    steps.allow()
    watcher.until(lambda: job.shown == 1)
    job.show(0)
    assert not job.following
    monkeypatch.setattr(Session, "read", slow_read)
    steps.free()
    assert last_picture.wait(PATIENCE)
    job.pause()
    assert job.state is State.PAUSED
    watcher.until_state(State.DONE)


def test_pausing_twice_or_going_on_without_a_pause_does_nothing(watcher, job, steps) -> None:
    watcher.start()
    job.pause()
    assert job.state is State.LOADING
    watcher.until_state(State.FITTING)
    job.resume()
    assert job.state is State.FITTING
    job.pause()
    job.pause()
    job.resume()
    steps.free()
    watcher.until_rest()
    assert job.state is State.DONE
    job.pause()
    job.resume()
    assert job.state is State.DONE


# Stopping


def test_a_stop_takes_effect_at_once_and_after_at_most_one_more_step(watcher, job, steps) -> None:
    watcher.start()
    steps.allow(3)
    watcher.until(lambda: job.shown == 3)
    job.stop()
    assert job.state is State.STOPPED
    steps.free()
    watcher.until_rest()
    assert steps.taken == 4
    # The step that was under way was taken, and it counts.
    assert job.iterations == (0, 1, 2, 3, 4)
    assert job.shown == job.progress.iteration == job.curve[-1].iteration == 4
    assert watcher.session.fit.stop_reason == "stopped"
    assert job.table.exact
    job.show(1)
    watcher.until(lambda: job.shown == 1)


def test_a_paused_fit_can_be_stopped(watcher, job, steps) -> None:
    watcher.start()
    steps.allow(2)
    watcher.until_iteration(2)
    job.pause()
    job.stop()
    steps.free()
    watcher.until_rest()
    assert job.state is State.STOPPED
    assert steps.taken <= 3
    watcher.start()
    watcher.until_rest()
    assert job.state is State.DONE


@pytest.mark.parametrize("stage", ["load_model", "align", "brain_mask"])
def test_stopping_before_the_first_picture_leaves_nothing(watcher, job, monkeypatch, stage) -> None:
    from src_core.preparation import prepare as preparation

    reached, go_on, original = threading.Event(), threading.Event(), getattr(preparation, stage)

    def rest(*arguments: Any) -> Any:
        reached.set()
        assert go_on.wait(PATIENCE)
        return original(*arguments)

    monkeypatch.setattr(preparation, stage, rest)
    watcher.start()
    assert reached.wait(PATIENCE)
    job.stop()
    assert job.state is State.STOPPED
    go_on.set()
    watcher.poll_for(0.2)
    assert watcher.sessions == []
    assert job.session is None
    assert watcher.states == [State.LOADING, State.STOPPED]
    assert watcher.failures == []


def note_call(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    matters: Callable[..., bool] = lambda *_, **news: True,
) -> threading.Event:
    """Set an event after the mailbox was told something that matters."""
    noted, tell = threading.Event(), getattr(Mailbox, name)

    def noting(*arguments: Any, **news: Any) -> None:
        tell(*arguments, **news)
        if matters(*arguments, **news):
            noted.set()

    monkeypatch.setattr(Mailbox, name, noting)
    return noted


def test_stopping_before_the_first_picture_was_taken_leaves_nothing(
    watcher, job, steps, monkeypatch
) -> None:
    session_told = note_call(monkeypatch, "tell_of", lambda *_, **news: "session" in news)
    watcher.start()
    assert session_told.wait(PATIENCE)
    job.stop()
    watcher.poll_for(0.05)
    assert job.session is None
    assert watcher.sessions == []
    assert job.state is State.STOPPED


def test_clearing_while_there_is_news_forgets_the_news(watcher, job, steps, monkeypatch) -> None:
    watcher.start()
    watcher.until_state(State.FITTING)
    step_told = note_call(monkeypatch, "tell_step")
    steps.allow()
    assert step_told.wait(PATIENCE)
    job.clear()
    watcher.poll_for(0.02)
    assert job.state is State.IDLE
    assert (job.iterations, job.curve, job.suggested) == ((), [], None)


def test_a_listener_may_stop_the_run_as_soon_as_it_hears_of_it(watcher, job) -> None:
    job.session_started.connect(lambda session: job.stop())
    watcher.start()
    watcher.until_state(State.STOPPED)
    watcher.poll_for(0.05)
    assert job.state is State.STOPPED
    assert State.FITTING not in watcher.states


# One run after another


def test_a_second_start_is_refused_while_a_fit_is_under_way(watcher, job, steps) -> None:
    watcher.start()
    for state in (State.LOADING, State.FITTING):
        watcher.until_state(state, State.FITTING)
        with pytest.raises(RuntimeError, match="stop it first"):
            watcher.start()
    job.pause()
    with pytest.raises(RuntimeError, match="stop it first"):
        watcher.start()
    job.resume()
    steps.free()
    watcher.until_rest()
    assert job.state is State.DONE
    assert len(watcher.sessions) == 1


def test_another_run_begins_anew(watcher, job, steps) -> None:
    watcher.start()
    steps.free()
    watcher.until_rest()
    job.show(3)
    watcher.until(lambda: job.shown == 3)
    first = job.session
    watcher.start(scan=phantom(4.0, seed=5)[0], reference=None)
    assert job.state is State.LOADING
    assert (job.session, job.shown, job.wanted, job.table) == (None, None, None, None)
    assert (job.curve, job.iterations, job.progress) == ([], (), None)
    assert job.following
    watcher.until_rest()
    assert job.session is not first
    assert job.shown == ITERATIONS
    assert all(np.isnan(row.dice) for row in job.table.rows)


def test_news_of_an_old_run_never_reach_the_new_one(watcher, job, steps) -> None:
    watcher.start()
    steps.allow(ITERATIONS - 1)
    watcher.until_iteration(ITERATIONS - 1)
    # The engine is in its last step; nothing that comes of it is wanted any more.
    job.stop()
    watcher.start()
    watcher.shown.clear()
    steps.free()
    watcher.until_rest()
    assert job.state is State.DONE
    assert [point.iteration for point in job.curve] == list(range(1, ITERATIONS + 1))
    assert watcher.shown[0] == 0
    assert rises_strictly(watcher.shown)
    assert len(watcher.sessions) == 2


@pytest.mark.parametrize("seed", range(2))
def test_at_whatever_moment_one_run_follows_another(watcher, job, seed) -> None:
    generator = random.Random(seed)
    for _ in range(5):
        watcher.start()
        watcher.poll_for(generator.uniform(0, 0.15))
        generator.choice((job.stop, job.clear))()
        if generator.random() < 0.5:
            job.poll()
    watcher.shown.clear()
    watcher.states.clear()
    watcher.start()
    watcher.until_rest()
    assert job.state is State.DONE
    assert [point.iteration for point in job.curve] == list(range(1, ITERATIONS + 1))
    assert watcher.states[0] is State.LOADING
    assert watcher.shown[-1] == ITERATIONS
    assert watcher.failures == []
    assert job.failure == ""


def test_a_listener_may_start_the_next_run_when_one_is_done(watcher, job) -> None:
    scans = [phantom(4.0, seed=seed)[0] for seed in (7, 8)]
    done = []

    def start_next(state: State) -> None:
        if state is State.DONE:
            done.append(job.session.scan)
            if scans:
                watcher.start(scan=scans.pop(), reference=None)

    job.state_changed.connect(start_next)
    watcher.start()
    watcher.until(lambda: len(done) == 3)
    watcher.until_rest()
    assert len({id(scan) for scan in done}) == 3
    assert [point.iteration for point in job.curve] == list(range(1, ITERATIONS + 1))


# What may go wrong


def fail_at(monkeypatch: pytest.MonkeyPatch, iteration: int, error: Exception) -> None:
    step = Fit.__next__

    def failing(fit: Fit) -> Any:
        if fit.iteration + 1 == iteration:
            raise error
        return step(fit)

    monkeypatch.setattr(Fit, "__next__", failing)


def test_a_fit_that_runs_out_of_memory_says_what_to_do_and_keeps_what_there_is(
    watcher, job, monkeypatch
) -> None:
    with monkeypatch.context() as patch:
        fail_at(patch, 5, RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
        watcher.start()
        watcher.until_state(State.FAILED)
    (message,) = watcher.failures
    assert message == job.failure
    assert "out of memory" in message
    assert "on the CPU" in message
    assert not job.state.running
    watcher.until_rest()
    assert job.iterations == (0, 1, 2, 3, 4)
    assert job.shown == 4
    job.show(2)
    watcher.until(lambda: job.shown == 2 and job.table.exact)
    watcher.start()
    assert job.failure == ""
    watcher.until_rest()
    assert job.state is State.DONE
    assert len(watcher.failures) == 1


def test_the_reason_is_known_when_the_state_says_failed(watcher, job, monkeypatch) -> None:
    heard = []
    job.state_changed.connect(lambda state: heard.append((state, job.failure)))
    fail_at(monkeypatch, 2, ValueError("no such number"))
    watcher.start()
    watcher.until_state(State.FAILED)
    assert heard[-1] == (State.FAILED, "ValueError: no such number")


def test_a_head_with_its_skull_is_refused_with_advice(watcher, job) -> None:
    voxels = np.random.default_rng(0).uniform(10, 100, (40, 48, 41)).astype(np.float32)
    scan = scan_from_array(voxels, np.diag([4, 4, 4, 1]))
    watcher.start(scan=scan, mask=None, reference=None)
    watcher.until_state(State.FAILED)
    assert "is not skull-stripped" in job.failure
    assert job.session is None
    assert job.iterations == ()
    watcher.start()
    watcher.until_state(State.DONE)


def test_a_file_that_is_no_model_is_refused(watcher, job, tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("not a model")
    watcher.start(model=str(path))
    watcher.until_state(State.FAILED)
    assert "model.safetensors" in job.failure
    watcher.start()
    watcher.until_state(State.DONE)


def test_a_reference_with_unknown_labels_is_refused(watcher, job, brain) -> None:
    watcher.start(reference=np.where(brain.labels == 1, 99, brain.labels))
    watcher.until_state(State.FAILED)
    assert "99" in job.failure


def fail_to_decode(monkeypatch: pytest.MonkeyPatch, which: Callable[[int, Region], bool]) -> None:
    decode = Session.decode

    def failing(session: Session, iteration: int, region: Region) -> Iterator[None]:
        if which(iteration, region):
            raise RuntimeError("can't allocate memory")
        yield from decode(session, iteration, region)

    monkeypatch.setattr(Session, "decode", failing)


def test_an_error_in_a_picture_leaves_the_fit_running_and_is_told_once(
    watcher, job, monkeypatch, slowly
) -> None:
    fail_to_decode(monkeypatch, lambda iteration, region: region == PLANE)
    watcher.start()
    watcher.until_iteration(3)
    job.show(1)
    job.look_at(watcher.session, PLANE)
    watcher.until(lambda: watcher.failures)
    assert job.state is State.FITTING
    assert "out of memory" in watcher.failures[0]
    job.look_at(watcher.session, PLANE)
    watcher.until_rest()
    assert job.state is State.DONE
    assert job.shown == 1
    assert len(watcher.failures) == 1
    job.look_at(watcher.session, Region(0, 20))
    watcher.until(lambda: watcher.session.pictures.plane(1, LABELS, 0, 20)[1])


def test_a_volume_that_cannot_be_decoded_is_told_once_and_not_tried_forever(
    watcher, job, monkeypatch
) -> None:
    fail_to_decode(monkeypatch, lambda iteration, region: region == WHOLE)
    watcher.start()
    watcher.until_state(State.DONE)
    watcher.until(lambda: watcher.failures)
    watcher.poll_for(0.2)
    assert len(watcher.failures) == 1
    job.show(2)
    watcher.until(lambda: len(watcher.failures) == 2)
    watcher.poll_for(0.1)
    assert len(watcher.failures) == 2
    assert job.state is State.DONE


def test_a_live_picture_that_fails_leaves_the_fit_running_and_is_told_once(
    watcher, job, monkeypatch
) -> None:
    fail_to_decode(monkeypatch, lambda iteration, region: 3 <= iteration < ITERATIONS)
    watcher.start()
    watcher.until_state(State.DONE)
    watcher.until(lambda: job.shown == ITERATIONS)
    assert len(watcher.failures) == 1
    assert job.iterations == tuple(range(ITERATIONS + 1))


# Less room than iterations


@pytest.fixture(scope="module")
def room(api) -> Callable[[int], int]:
    """Bytes for the weights of so many iterations."""
    return lambda count: count * 4 * len(api.network.fitted_vector())


def test_with_little_room_the_newest_is_followed_without_ever_going_back(
    watcher, job, room, slowly
) -> None:
    job.iterations_changed.connect(
        lambda: job.shown is None or stored.append(job.shown in job.iterations)
    )
    stored: list[bool] = []
    watcher.start(iterations=40, history_bytes=room(6))
    watcher.shown.clear()
    watcher.until(lambda: job.shown is not None)
    job.look_at(watcher.session, PLANE)
    watcher.until_rest()
    shown = watcher.shown[watcher.shown.index(0) :]
    assert rises_strictly(shown)
    assert len(shown) > 5
    assert shown[-1] == 40
    assert len(job.iterations) <= 9
    assert stored
    assert all(stored)
    assert watcher.failures == []


def test_with_little_room_the_iteration_on_the_screen_stays_and_becomes_sharp(
    watcher, job, room, steps, monkeypatch
) -> None:
    watcher.start(iterations=40, history_bytes=room(6))
    steps.allow(3)
    watcher.until(lambda: job.shown == 3)
    job.show(3)  # the newest: it is followed
    job.show(2)
    watcher.until(lambda: job.shown == 2)
    monkeypatch.setattr(pace, "LIVE_SHARE", 0.0)
    steps.allow()
    watcher.until_iteration(4)
    job.show(3)
    watcher.until(lambda: job.shown == 3)
    steps.free()
    watcher.until_state(State.DONE)
    assert job.shown == 3
    assert 3 in job.iterations
    assert not {1, 2, 4, 5} & set(job.iterations)
    job.look_at(watcher.session, PLANE)
    watcher.until(lambda: watcher.session.pictures.plane(3, LABELS, 1, 20)[1])
    watcher.until(lambda: job.table.exact)
    assert watcher.failures == []


def test_looking_at_many_iterations_takes_no_room_from_those_to_come(
    watcher, job, room, slowly
) -> None:
    watcher.start(iterations=60, history_bytes=room(10))
    watcher.until_iteration(9)
    for iteration in range(9):
        job.show(iteration)
        watcher.until(lambda iteration=iteration: job.shown == job.wanted)
    watcher.until_state(State.DONE)
    beyond = [iteration for iteration in job.iterations if iteration > 9]
    assert len(beyond) >= 4
    assert len(job.iterations) <= 12


@pytest.mark.parametrize("ending", ["stop", "pause", "fail"])
@pytest.mark.parametrize("last", [11, 12])
def test_with_little_room_the_newest_can_be_kept_however_the_fit_ends(
    watcher, job, room, steps, monkeypatch, ending, last
) -> None:
    if ending == "fail":
        fail_at(monkeypatch, last + 1, ValueError("no"))
    watcher.start(iterations=40, history_bytes=room(4))
    steps.allow(last - 1)
    watcher.until_iteration(last - 1)
    if ending != "fail":
        getattr(job, ending)()
    steps.free()
    watcher.until(lambda: job.shown == last)
    assert job.iterations == tuple(watcher.session.history.iterations)
    assert job.iterations[-1] == last
    kept = []
    job.when_whole(watcher.session, job.shown, lambda: kept.append(job.shown))
    watcher.until(lambda: kept)
    assert watcher.failures == ([job.failure] if ending == "fail" else [])


def test_an_iteration_that_is_kept_stays_until_it_is_written(watcher, job, room, slowly) -> None:
    watcher.start(iterations=40, history_bytes=room(4))
    watcher.until_iteration(9)
    session, shown, results = watcher.session, job.shown, []

    def describe() -> None:
        watcher.poll_for(0.1)  # the fit goes on meanwhile
        job.run(lambda: session.segmentation(shown), results.append)

    job.when_whole(session, shown, describe)
    watcher.until(lambda: results)
    assert results[0].report["iterations"] == shown
    assert watcher.failures == []


def test_asking_for_an_iteration_that_was_just_dropped_shows_the_nearest(
    watcher, job, room, steps
) -> None:
    watcher.start(iterations=40, history_bytes=room(4))
    steps.allow(10)
    watcher.until(lambda: job.shown == 10)
    told = job.iterations
    steps.allow(10)
    deadline = time.monotonic() + PATIENCE
    while steps.taken < 20:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    # Not polled yet: it still believes in what was told.
    assert job.iterations == told
    job.show(told[-2])
    watcher.until(lambda: job.shown == job.wanted)
    assert job.wanted in watcher.session.history.iterations


# Work for others


def test_callbacks_come_in_the_thread_that_polls(watcher, job, slowly) -> None:
    heard: dict[str, int] = {}

    def note(name: str) -> Callable[..., None]:
        return lambda *_: heard.__setitem__(name, threading.get_ident())

    watcher.start()
    watcher.until_iteration(2)
    session = watcher.session
    job.when_whole(session, job.shown, note("urgent"))
    job.when_whole(session, 0, note("background"), urgent=False)
    job.run(lambda: note("work")(), note("result"))
    job.add_readout(entropy(), note("readout"))
    watcher.until(lambda: len(heard) == 5)
    mine = threading.get_ident()
    assert heard.pop("work") != mine
    assert set(heard.values()) == {mine}
    watcher.until_rest()
    assert job.state is State.DONE


def entropy() -> Readout:
    return Readout(
        "entropy",
        lambda seen: seen.entropy,
        lambda values, numbers: values,
        np.zeros((), np.float32),
    )


def test_a_quantity_more_is_there_when_it_is_told_and_from_then_on(watcher, job) -> None:
    watcher.start()
    watcher.until_rest()
    session, known = watcher.session, []
    job.add_readout(
        entropy(), lambda: known.append(session.pictures.volume(job.shown, "entropy")[0])
    )
    watcher.until(lambda: known)
    assert known[0] is not None
    job.show(5)
    watcher.until(lambda: job.shown == 5)
    assert session.pictures.volume(5, "entropy")[0] is not None
    watcher.session.readouts.pop("entropy")
    job.show(6)
    watcher.until(lambda: job.shown == 6)
    assert session.pictures.volume(6, "entropy")[0] is None


def test_a_quantity_that_cannot_be_decoded_is_told_and_given_up(watcher, job, slowly) -> None:
    def fail(seen: Any) -> Any:
        raise RuntimeError("out of memory")

    called = []
    watcher.start(iterations=30)
    watcher.until_iteration(2)
    bad = Readout("bad", fail, lambda values, numbers: values, np.zeros(()))
    job.add_readout(bad, lambda: called.append("bad"))
    watcher.until(lambda: watcher.failures)
    watcher.until_rest()
    assert job.state is State.DONE
    watcher.until(lambda: job.shown == 30)
    assert set(watcher.failures) == {job.failure}
    assert len(watcher.failures) <= 2  # once more if a live picture was just being made
    assert called == []


def test_work_that_fails_is_told_and_does_not_call_back(watcher, job) -> None:
    def fail() -> None:
        raise InputError("the disk is full; free some space")

    watcher.start()
    watcher.until_rest()
    job.run(fail, lambda result: pytest.fail("called back"))
    watcher.until(lambda: watcher.failures)
    assert watcher.failures == ["the disk is full; free some space"]
    assert job.state is State.DONE


def test_work_for_the_old_scan_is_finished_when_the_new_one_has_begun(watcher, job) -> None:
    watcher.start()
    watcher.until_rest()
    done = []
    old = watcher.session
    job.when_whole(old, 3, lambda: done.append(old.label_map(3)), urgent=False)
    watcher.start()
    watcher.until_rest()
    watcher.until(lambda: done)
    assert done[0].any()


# The end


@pytest.mark.parametrize("moment", ["loading", "fitting", "paused", "done", "scrubbing"])
@pytest.mark.parametrize("end", ["clear", "close"])
def test_memory_is_given_back(watcher, job, moment, end, monkeypatch) -> None:
    made, init = [], Session.__init__

    def noting(session: Session, *arguments: Any) -> None:
        init(session, *arguments)
        made.append(weakref.ref(session))

    monkeypatch.setattr(Session, "__init__", noting)
    watcher.start(iterations=ITERATIONS if moment == "done" else 10_000)
    deadline = time.monotonic() + PATIENCE
    if moment == "loading":
        while not made:
            assert time.monotonic() < deadline
            time.sleep(0.001)
    else:
        watcher.until_iteration(ITERATIONS)
    if moment == "paused":
        job.pause()
    if moment == "scrubbing":
        job.show(5)
        job.look_at(watcher.session, PLANE)
    if moment == "done":
        watcher.until_rest()
    if end == "clear":
        job.clear()
        assert job.engine_alive
        assert watcher.states[-1] is State.IDLE
    else:
        assert job.close()
        assert not job.engine_alive
    assert job.state is State.IDLE
    assert (job.session, job.shown, job.iterations) == (None, None, ())

    def gone() -> bool:
        time.sleep(0.05)
        gc.collect()
        return all(session() is None for session in made)

    watcher.until(gone)
    watcher.poll_for(0.02)
    assert job.state is State.IDLE
    assert watcher.failures == []


def test_closing_during_a_fit_is_quick(watcher, job, slowly) -> None:
    watcher.start(iterations=1000)
    watcher.until_iteration(3)
    started = time.monotonic()
    assert job.close()
    assert time.monotonic() - started < 1
    assert not any(thread.name == "metaseg" for thread in threading.enumerate())


def test_a_cleared_job_can_start_again(watcher, job) -> None:
    watcher.start()
    watcher.until_iteration(ITERATIONS)
    job.clear()
    watcher.start()
    watcher.until_rest()
    assert job.state is State.DONE


def test_a_job_that_never_started_takes_every_command() -> None:
    job = Job()
    for command in (job.poll, job.pause, job.resume, job.stop, job.follow, job.clear, job.poll):
        command()
    job.show(3)
    job.add_readout(entropy(), lambda: None)
    assert job.state is State.IDLE
    assert not job.engine_alive
    assert job.close(0)
    assert job.shown is None


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
