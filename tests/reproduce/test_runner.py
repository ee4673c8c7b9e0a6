"""Order, skipping, limits, and what an interrupted run leaves; mostly with a stand-in for papermill."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock

from tests.killing import kill, wait_for
from tests.reproduce.conftest import World
from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.reproduce import Report, reproduce, runner

Install = Callable[..., Path]


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The package's hash, to change at will."""
    now = {"hash": "a"}
    monkeypatch.setattr(runner, "package_hash", lambda extra: now["hash"])
    return now


def run(world: World, **changes: Any) -> Report:
    return reproduce(**{"notebooks": world.notebooks, "output": world.output, **changes})


def statuses(report: Report) -> list[str]:
    return [result.status for result in report.results]


def lines(log: Path) -> list[list[Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def test_unknown_parameter_stops_everything_before_it_starts(world: World, fake_worker: Install) -> None:
    log = fake_worker()
    world.good("00_a")
    world.good("01_b")
    world.notebook("01_b", [], "output_dir = ''")
    with pytest.raises(InvalidInputError, match="01_b has no parameter 'limit'"):
        run(world, parameters={"limit": 5})
    assert lines(log) == []
    assert not world.output.exists()


@pytest.mark.parametrize("change", [{"wanted": ["nothing"]}, {"jobs": 0}, {"parameters": {"limit": "x"}}])
def test_wrong_requests_start_nothing(world: World, fake_worker: Install, change: dict[str, Any]) -> None:
    log = fake_worker()
    world.good("00_a")
    with pytest.raises(InvalidInputError):
        run(world, **change)
    assert lines(log) == []


def test_order_and_number_at_a_time(world: World, fake_worker: Install) -> None:
    log = fake_worker("time.sleep(0.4)")
    for name in ("02_c", "00_a", "01_b"):
        world.good(name)
    assert run(world, jobs=2).ok
    events = lines(log)
    assert [name for name, what, *_ in events if what == "start"][2] == "01_b"
    together = most = 0
    for _, what, *_ in events:
        together += 1 if what == "start" else -1
        most = max(most, together)
    assert most == 2
    log.unlink()
    run(world, jobs=1, force=True)
    assert [name for name, *_ in lines(log)] == ["02_c", "02_c", "00_a", "00_a", "01_b", "01_b"]


def test_what_is_up_to_date_is_skipped(world: World, fake_worker: Install, package: dict[str, str]) -> None:
    fake_worker()
    world.good("00_a")
    world.good("01_b")

    def again(**changes: Any) -> list[str]:
        return statuses(run(world, **changes))

    assert again() == ["done", "done"]
    assert again() == ["skipped", "skipped"]
    world.notebook("00_a", ["print('changed')"])
    assert again() == ["done", "skipped"]
    assert again(parameters={"limit": 4}) == ["done", "done"]
    assert again(parameters={"limit": 4}) == ["skipped", "skipped"]
    (world.output / "figures/00_a-curve.svg").unlink()
    (world.output / "tables/01_b-table.csv").write_text("edited")
    assert again(parameters={"limit": 4}) == ["done", "done"]
    package["hash"] = "b"
    assert again(wanted=["00-a"], parameters={"limit": 4}) == ["done"]
    assert again(parameters={"limit": 4}) == ["skipped", "done"]
    assert again(parameters={"limit": 4}, force=True) == ["done", "done"]


def test_a_checkpoint_that_changes_counts(world: World, fake_worker: Install) -> None:
    fake_worker()
    world.good("00_a")
    weights = world.root / "weights.pt"
    weights.write_text("1")
    assert statuses(run(world, parameters={"clip": str(weights)})) == ["done"]
    assert statuses(run(world, parameters={"clip": str(weights)})) == ["skipped"]
    weights.write_text("22")
    assert statuses(run(world, parameters={"clip": str(weights)})) == ["done"]


def test_a_failure_does_not_stop_the_others(world: World, fake_worker: Install) -> None:
    fake_worker("if name == '00_a': print('out of memory'); os._exit(9)")
    world.good("00_a")
    world.good("01_b")
    report = run(world)
    assert statuses(report) == ["failed", "done"]
    assert "code 9" in str(report.results[0].failure)
    assert report.results[0].failure is not None and "out of memory" in report.results[0].failure.traceback
    assert statuses(run(world)) == ["failed", "skipped"]
    fake_worker()
    assert statuses(run(world)) == ["done", "skipped"]


def test_time_limit_ends_the_process(world: World, fake_worker: Install) -> None:
    log = fake_worker("time.sleep(60)")
    world.good("00_a")
    report = run(world, timeout=0.5)
    assert "ended after 0.5 s" in str(report.results[0].failure)
    assert not psutil.pid_exists(lines(log)[0][3])


def test_undeclared_outputs_are_told_and_left_out(world: World, fake_worker: Install) -> None:
    extra = "p = pathlib.Path(request['parameters']['output_dir'], 'figures'); p.mkdir(parents=True);"
    fake_worker(extra + "(p / 'extra.png').write_text(''); (p / '00_other-curve.png').write_text('')")
    world.good("00_a")
    world.good("00_other")
    messages: list[str] = []
    report = run(world, wanted=["00-a"], log=messages.append)
    assert report.results[0].undeclared == ("figures/extra",)
    assert any("figures/extra" in line for line in messages)
    assert sorted(p.name for p in (world.output / "figures").iterdir()) == [
        "00_a-curve.json", "00_a-curve.pdf", "00_a-curve.png", "00_a-curve.svg",
    ]  # fmt: skip


def test_one_writer_per_folder(world: World, fake_worker: Install) -> None:
    fake_worker()
    world.good("00_a")
    world.output.mkdir()
    with FileLock(world.output / ".lock"), pytest.raises(UnavailableError, match="another `zsris reproduce`"):
        run(world)
    assert run(world).ok


def test_index_names_what_is_not_made_yet(world: World, fake_worker: Install) -> None:
    fake_worker()
    world.good("00_a")
    world.good("01_b")
    page = run(world, wanted=["00"]).index.read_text()
    assert "Not made yet: zsris reproduce 01-b" in page
    assert 'src="figures/00_a-curve.png"' in page


def test_nothing_to_do(world: World) -> None:
    world.write()
    report = run(world)
    assert report.ok and "no entries" in report.index.read_text()


# A shell's background job ignores SIGINT, and so would what it starts; a run that somebody stops by hand does not.
SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from zsris_viz.reproduce import reproduce
from zsris_viz.reproduce import executor as workshop
workshop.WORKER = tuple(sys.argv[3:])
reproduce(notebooks=sys.argv[1], output=sys.argv[2], jobs=2)
"""


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        signal.SIGKILL,
    ],
)
def test_killed_run_leaves_no_half_output(world: World, fake_worker: Install, how: signal.Signals) -> None:
    """The good notebook's files are whole, the other's are not there, and the next run takes up the rest."""
    from zsris_viz.reproduce import executor as workshop

    half = "p = pathlib.Path(request['parameters']['output_dir'], 'figures'); p.mkdir(parents=True);"
    log = fake_worker(f"if name == '01_b': {half} (p / '01_b-curve.png').write_text('half'); time.sleep(60)")
    world.good("00_a")
    world.good("01_b")
    started = subprocess.Popen([sys.executable, "-c", SCRIPT, world.notebooks, world.output, *workshop.WORKER])
    state = world.output / ".state/00_a.json"
    deadline = time.time() + 60
    while not (state.exists() and len(lines(log)) == 3) and time.time() < deadline:
        time.sleep(0.05)
    if how is signal.SIGKILL:
        assert kill(started, "reproduce")
    started.send_signal(how)
    started.wait(30)
    for _, _, _, pid, _ in lines(log):  # the stand-in does not watch its parent
        if how is signal.SIGINT:
            assert not psutil.pid_exists(pid)
        elif psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)
    assert (world.output / "figures/00_a-curve.png").read_text() == "{}"
    assert not (world.output / "figures/01_b-curve.png").exists()
    fake_worker()
    assert "done" in statuses(run(world))
    assert (world.output / "figures/01_b-curve.png").read_text() == "{}"
    assert not (world.output / ".work").exists()


@pytest.mark.slow
def test_runs_killed_at_random_moments_end_with_whole_outputs(world: World, fake_worker: Install) -> None:
    from zsris_viz.reproduce import executor as workshop

    names = [f"{number:02d}_n" for number in range(8)]
    log, rng = fake_worker("time.sleep(0.3)"), random.Random(0)
    for name in names:
        world.good(name)
    for _ in range(5):
        before = len(lines(log))
        started = subprocess.Popen([sys.executable, "-c", SCRIPT, world.notebooks, world.output, *workshop.WORKER])
        wait_for(started, lambda before=before: len(lines(log)) > before)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.5))
        kill(started, "reproduce")
        for name in names:  # whole, or not there
            state, table = world.output / f".state/{name}.json", world.output / f"tables/{name}-table.csv"
            assert table.exists() or not state.exists()
            assert not table.exists() or table.read_text() == "{}"
    time.sleep(1)  # stand-ins that were started last do not watch their parent
    assert run(world).ok
    assert all((world.output / f"figures/{name}-curve.png").read_text() == "{}" for name in names)
    assert not (world.output / ".work").exists()


def test_worker_and_kernel_end_with_their_parent(world: World) -> None:
    """The real worker: when `zsris reproduce` is killed, the notebook's kernel does not go on."""
    mark = world.root / "pid"
    cell = f"import os, time, pathlib\npathlib.Path({str(mark)!r}).write_text(str(os.getpid()))\ntime.sleep(100)"
    world.notebook("00_long", [cell])
    world.entry("00_long")
    worker = [sys.executable, "-m", "zsris_viz.reproduce.worker"]
    started = subprocess.Popen([sys.executable, "-c", SCRIPT, world.notebooks, world.output, *worker])
    deadline = time.time() + 120
    while not (mark.exists() and mark.read_text()) and time.time() < deadline:
        time.sleep(0.1)
    kernel = psutil.Process(int(mark.read_text()))
    parent = kernel.parent()
    assert parent is not None
    assert kill(started, "reproduce")
    _, alive = psutil.wait_procs([kernel, parent], timeout=30)
    assert not alive
