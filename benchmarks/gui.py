"""How smooth the window stays, and how soon it answers, while a scan is segmented in it.

Run ``xvfb-run -a -s "-screen 0 1400x900x24" python -m benchmarks.gui [SCAN]``; without a scan, the
MNI152 sample (1 mm) is used. Fits without a window, in fresh processes before and after the one
with the window, tell what the machine could do in these minutes. Latencies end when a frame with
the result has been swapped to the screen.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.common import write_sample
from benchmarks.window import Heartbeat, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WARM_UP = 2.0
"""Seconds after the first picture in which the window compiles its shaders."""
SCRUBS = 8
"""Iterations that are scrubbed to."""
PAUSES = 3
STOPS = 3
TURNS = 3
"""Times that volumes are drawn again."""
SECONDS_IN_3D = 20.0


def measure_window(scan: Path, model: str, iterations: int) -> dict[str, Any]:
    """Everything that is measured in the window, in this process; seconds."""
    from napari_metaseg.preferences import Preferences, save_preferences
    from napari_metaseg.run.status import State

    save_preferences(Preferences(model=model, preset="Custom", iterations=iterations))
    window, heartbeat = Window(scan), Heartbeat()
    job = window.job
    found: dict[str, Any] = {"first click": window.segment()}

    window.rest(WARM_UP)
    heartbeat.start()
    window.wait(lambda: job.state is not State.FITTING, every=50)
    found["fitting"] = heartbeat.stop()
    for name, widget in (("window", window.panel.window()), ("canvas", window.canvas)):
        found[name] = f"{widget.width()} x {widget.height()}"

    window.wait(lambda: job.state is State.DONE)
    chosen = fresh_iterations(window)
    found["scrub"] = [window.show(iteration) for iteration in chosen]
    found["scrub cached"] = [window.show(iteration) for iteration in reversed(chosen[:-1])]
    window.rest(1.0)
    heartbeat.start()
    window.rest(3.0)
    found["idle"] = heartbeat.stop()

    found["click"] = [window.segment()]
    found["rate"] = measure_rate(window)
    found |= {"pause": [], "stop": []}
    for _ in range(STOPS):
        found["click"].append(window.segment())
        window.rest(1.0)
        for _ in range(PAUSES):
            found["pause"].append(window.steps_after("Pause"))
            window.click("Resume")
            window.rest(0.5)
        found["stop"].append(window.steps_after("Stop"))

    window.segment()
    window.wait(lambda: 4 * window.iteration >= iterations)
    found["scrub while fitting"] = [
        window.show(iteration) for iteration in fresh_iterations(window)
    ]
    job.stop()

    found |= measure_volumes(window, heartbeat)
    window.viewer.close()
    return found


def measure_rate(window: Window) -> float:
    """Steps per second of the fit under way, until its end."""
    from napari_metaseg.run.status import State

    job = window.job
    times: list[tuple[int, float]] = []

    def note() -> None:
        times.append((window.iteration, time.perf_counter()))

    job.progressed.connect(note)
    window.wait(lambda: job.state is not State.FITTING, every=50)
    job.progressed.disconnect(note)
    (first, began), (last, ended) = times[0], times[-1]
    return (last - first) / (ended - began)


def fresh_iterations(window: Window) -> list[int]:
    """Past iterations that nothing is decoded of yet, from all over the fit, in a wild order."""
    from napari_metaseg.run.region import COARSE

    job = window.job
    fresh = [i for i in job.iterations[:-1] if window.session.lacks(i, COARSE)]
    spread = fresh[:: max(1, len(fresh) // SCRUBS)][:SCRUBS]
    return spread[::2] + spread[1::2]


def measure_volumes(window: Window, heartbeat: Heartbeat) -> dict[str, Any]:
    """Longest gaps in 3D: three volumes drawn again, and while a fit changes two of them."""
    viewer, job = window.viewer, window.job

    def turn() -> float:
        longest = []
        for _ in range(TURNS):
            heartbeat.start()
            elevation, *others = viewer.camera.angles
            viewer.camera.angles = (elevation + 5, *others)
            window.wait_for_frame()
            longest.append(max(heartbeat.stop()))
        return median(longest)

    shown = (window.panel.inputs.scan_layer, *window.live_layers())
    for layer in viewer.layers:
        layer.visible = layer in shown
    viewer.dims.ndisplay = 3
    window.wait_for_frame()
    window.rest(1.0)
    found: dict[str, Any] = {"three volumes": turn()}
    window.segment()
    window.rest(WARM_UP)
    frames = window.frames
    heartbeat.start()
    window.wait(lambda: not job.state.running, SECONDS_IN_3D)
    found["fitting in 3D"] = max(heartbeat.stop())
    found["frames in 3D"] = window.frames - frames
    job.stop()
    return found


def measure_plain(scan: Path, model: str, iterations: int) -> dict[str, Any]:
    """Steps per second without a window, in this process."""
    from napari_metaseg.run.engine_thread import NICENESS
    from src_core.segment import segment

    if hasattr(os, "nice"):
        os.nice(NICENESS)  # other programs take as much from it as from the fit in the window
    times: list[float] = []
    segment(
        scan,
        model=model,
        iterations=iterations,
        on_step=lambda _: times.append(time.perf_counter()),
    )
    return {"rate": (len(times) - 1) / (times[-1] - times[0])}


PARTS = {"window": measure_window, "plain": measure_plain}


def measure(part: str, scan: Path, model: str, iterations: int, settings: Path) -> dict[str, Any]:
    """One of the parts in a fresh process, with napari's settings as they come."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.gui", str(scan)]
    command += ["--model", model, "--iterations", str(iterations), "--part", part]
    environment = os.environ | {"NAPARI_CONFIG": str(settings)}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path, nargs="?")
    parser.add_argument("--model", default="brain3d-tissue")
    parser.add_argument("--iterations", type=int, default=130)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        print(json.dumps(PARTS[args.part](args.scan, args.model, args.iterations)))
        return

    from benchmarks.segment import product_rate  # with torch, whose import is part of what is timed

    with TemporaryDirectory() as folder:
        path = args.scan or write_sample(Path(folder))
        settings = Path(folder) / "settings.yaml"
        products = [product_rate()]
        before, window, after = (
            measure(part, path, args.model, args.iterations, settings)
            for part in ("plain", "window", "plain")
        )
        products.append(product_rate())
    plain = [before["rate"], after["rate"]]
    print(f"{path.name}, {args.model}, {args.iterations} iterations;")
    _print_table(window, plain, products)


def _print_table(found: dict[str, Any], plain: Sequence[float], products: Sequence[float]) -> None:
    import numpy as np

    def gaps(name: str) -> str:
        p50, p95, longest = 1000 * np.percentile(found[name], [50, 95, 100])
        return f"p50 {p50:.1f}, p95 {p95:.1f}, longest {longest:.0f}"

    def ends(name: str) -> str:
        steps = max(steps for steps, _ in found[name])
        return f"{steps} steps, {_latencies(seconds for _, seconds in found[name])} ms"

    print(f"{os.cpu_count()} cores, {platform.platform()};")
    print(f"window {found['window']}, its canvas {found['canvas']}\n")
    rows = [
        ("matrix product, GFLOP/s", "", " and ".join(f"{rate:.0f}" for rate in products)),
        ("gaps in the window's thread, idle, ms", "", gaps("idle")),
        (
            "gaps while fitting, 2D, ms",
            "p95 at most 5, longest at most 50",
            gaps("fitting"),
        ),
        ("first click to two layers, s", "at most 4", f"{found['first click']:.2f}"),
        ("later clicks, s", "at most 1", _latencies(found["click"], unit=1.0)),
        ("fit in the window, it/s", "", f"{found['rate']:.1f}"),
        ("fit without a window, it/s", "", " and ".join(f"{rate:.1f}" for rate in plain)),
        ("ratio of the two", "at least 0.9", f"{found['rate'] / mean(plain):.2f}"),
        ("pause: steps after the click", "at most 1", ends("pause")),
        ("stop: steps after the click", "at most 1", ends("stop")),
        ("scrub, sharp, ms", "at most 150", _latencies(found["scrub"])),
        ("scrub, cached, ms", "at most 50", _latencies(found["scrub cached"])),
        ("scrub while fitting, sharp, ms", "at most 250", _latencies(found["scrub while fitting"])),
        (
            "longest gap while fitting, 3D, s",
            f"at most {1.3 * found['three volumes']:.2f}: 1.3 times the volumes without a fit",
            f"{found['fitting in 3D']:.2f} ({found['frames in 3D']} frames)",
        ),
    ]
    print("| | target | measured |")
    print("|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def _latencies(seconds: Iterable[float], unit: float = 1000.0) -> str:
    values = [unit * value for value in seconds]
    digits = 0 if unit > 1 else 2
    return f"median {median(values):.{digits}f}, longest {max(values):.{digits}f}"


if __name__ == "__main__":
    main()
