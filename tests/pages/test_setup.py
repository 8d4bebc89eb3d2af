from __future__ import annotations

import asyncio
import shutil
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tem_track import analysis
from tem_track.analysis import blocks, observe
from tem_track.config import load_experiment
from tem_track.mending import kept, only_references_differ, run_again
from tem_track.outputs import read_results
from tem_track.pages import setup as setup_page
from tem_track.pages.setup import SetupServer
from tem_track.pages.setup_state import SetupState, open_setup
from tem_track.run import movie_of, run
from tem_track.simulate import simulate
from tests.pages.browser import wait

SCALE = '[data-key="calibration.scale_nm_per_px"]'
COMMENT = "# mine, and it stays\n"


def runner(path: Path, progress: Any) -> Path:
    return run_again(path, progress=progress).folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("setup")
    simulate("rod_compression", output=folder, seed=2, frames=24)
    path = folder / "experiment.toml"
    path.write_text(COMMENT + path.read_text())
    return folder


@pytest.fixture
def server(folder: Path) -> Iterator[SetupServer]:
    with serving(open_setup(folder / "experiment.toml")) as server:
        yield server


@contextmanager
def serving(state: SetupState) -> Iterator[SetupServer]:
    server = SetupServer(state, runner)
    ready = threading.Event()

    async def serve() -> None:
        server.start()
        ready.set()
        await server.ended()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield server
    finally:
        server.stop()
        thread.join(90)
    assert not thread.is_alive()


def status(server: SetupServer, path: str = "/", data: bytes | None = None, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://{server.host}{path}", data=data, headers=named)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_only_the_page_itself_is_answered(server: SetupServer) -> None:
    cookie, origin = f"{server.cookie}={server.token}", f"http://{server.host}"
    assert status(server, Cookie=cookie) == 200
    assert status(server) == 403
    assert status(server, "/?token=wrong") == 403
    assert status(server, Cookie=f"{server.cookie}=wrong") == 403
    assert status(server, Cookie=cookie, Host=f"localhost:{server.port}") == 403
    assert status(server, Cookie=cookie, Host=f"evil.example:{server.port}") == 403
    assert status(server, Cookie=cookie, Origin="http://evil.example") == 403
    assert status(server, "/check", b"{}", Cookie=cookie) == 403
    assert status(server, "/check", b"{}", Cookie=cookie, Origin=origin) == 200
    assert status(server, "/check", b"[]", Cookie=cookie, Origin=origin) == 400
    assert status(server, "/frame/99999.jpg", Cookie=cookie) == 404
    assert status(server, "/other", Cookie=cookie) == 404


def test_the_page_ends_the_server(folder: Path) -> None:
    server = SetupServer(open_setup(folder / "experiment.toml"), runner)
    server.leave_at = 0.0

    async def serve() -> None:
        server.start()
        await server.ended()

    thread = threading.Thread(target=lambda: asyncio.run(asyncio.wait_for(serve(), 10)))
    thread.start()
    thread.join(90)
    assert not thread.is_alive()


def test_a_browser_that_is_killed_ends_the_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup_page, "FAREWELL_S", 0.5)
    server = SetupServer(open_setup(folder / "experiment.toml"), runner)
    started = threading.Event()

    async def serve() -> None:
        server.start()
        started.set()
        await server.ended()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(10)
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        head = f"POST /alive HTTP/1.1\r\nHost: {server.host}\r\nOrigin: http://{server.host}\r\n"
        head += f"Cookie: {server.cookie}={server.token}\r\nContent-Length: 2\r\n\r\n{{}}"
        line.sendall(head.encode())
        thread.join(2)
        assert thread.is_alive()
    thread.join(20)
    ended = not thread.is_alive()
    server.stop()
    thread.join(20)
    assert ended


@pytest.fixture
def page(browser: Any, server: SetupServer) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(server.address)
    wait(page, "document.documentElement.dataset.preview === 'done'", 180)
    yield page
    context.close()


def test_the_whole_way(page: Any, server: SetupServer, folder: Path) -> None:
    assert page.url == f"http://{server.host}/"
    cookie = page.context.cookies()[0]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert page.locator("#curve circle").count() > 5

    page.locator("h1").click()
    before = page.evaluate("state.frame")
    page.keyboard.press(".")
    assert page.evaluate("state.frame") == before + 1
    page.keyboard.press(",")
    assert page.evaluate("state.frame") == before
    assert page.locator(".outline").count() == 1

    old = page.evaluate("state.boxes.specimen.slice()")
    place = page.locator("#box-specimen .box").bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 6, y, steps=3)
    page.mouse.up()
    new = page.evaluate("state.boxes.specimen.slice()")
    assert new[0] > old[0]
    assert new[2:] == old[2:]
    assert float(page.locator('[data-box="specimen"][data-side="0"]').input_value()) == new[0]
    page.locator("#box-tip .box").focus()
    tip = page.evaluate("state.boxes.tip[0]")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("state.boxes.tip[0]") == tip + 1

    page.locator(SCALE).fill("4")
    assert page.evaluate("document.documentElement.dataset.preview") == "waiting"
    wait(page, "document.documentElement.dataset.preview === 'done'", 180)

    page.locator("#save").click()
    wait(page, "document.getElementById('state').textContent.startsWith('saved')")
    text = (folder / "experiment.toml").read_text()
    assert text.startswith(COMMENT)
    assert "scale_nm_per_px = 4" in text
    assert page.complaints == []

    page.locator("#run").click()
    page.wait_for_url("**/report", timeout=400_000)
    wait(page, "document.documentElement.dataset.shown !== undefined")
    assert (folder / "experiment.results" / "provenance.json").exists()


WRONG = [
    (SCALE, "", "calibration.scale_nm_per_px"),
    (SCALE, "-1", "calibration.scale_nm_per_px"),
    (SCALE, "much", "calibration.scale_nm_per_px"),
    ('[data-key="cantilever.stiffness_N_per_m"]', "0", "cantilever.stiffness_N_per_m"),
    ('[data-key="calibration.frame_interval_s"]', "-2", "calibration.frame_interval_s"),
    ('[data-key="axis_deg"]', "500", "axis_deg"),
    ('[data-box="tip"][data-side="0"]', "5000", "tip.box_px"),
    ('[data-box="bar"][data-side="2"]', "0", "bar.box_px"),
    ('[data-box="specimen"][data-side="1"]', "x", "specimen.box_px"),
    ('[data-key="calibration.u_scale_nm_per_px"]', "-1", "calibration.u_scale_nm_per_px"),
    ('[data-key="cantilever.u_stiffness_N_per_m"]', "x", "cantilever.u_stiffness_N_per_m"),
    ('[data-key="frames.reference"]', "-1", "frames.reference"),
    ('[data-box="base"][data-side="3"]', "900", "base.box_px"),
    ('[data-key="frames.reference"]', "99", "frames.reference"),
]


@pytest.mark.parametrize(("field", "value", "key"), WRONG)
def test_wrong_input_is_told_beside_it(folder: Path, field: str, value: str, key: str) -> None:
    state = open_setup(folder / "experiment.toml")
    values = state.values()
    if field.startswith("[data-box"):
        box = list(values[key])
        box[int(field.split('side="')[1][0])] = float(value) if value.isdigit() else value
        values[key] = box
    else:
        try:
            values[key] = float(value) if value else None
        except ValueError:
            values[key] = value
    problems = state.problems(values)
    assert list(problems) == [key]
    assert key in problems[key]


def test_many_wrong_inputs_are_told_each_beside_its_own(folder: Path) -> None:
    state = open_setup(folder / "experiment.toml")
    wrong = {
        "mode": "squeeze",
        "polarity": "grey",
        "axis_deg": 500,
        "calibration.scale_nm_per_px": -1,
        "bar.box_px": ["a", 1, 2, 3],
        "tip.box_px": [5000, 1, 20, 30],
        "specimen.shape": "cube",
        "specimen.material": 5,
        "frames.reference": 99,
    }
    problems = state.problems(state.values() | wrong)
    assert set(problems) == set(wrong)
    assert all(problems[key].startswith(key) for key in wrong)
    assert not any("; " in text for key, text in problems.items() if "scale" not in key)


def test_wrong_input_in_each_field_shows_its_message(page: Any) -> None:
    for field, value, key in WRONG:
        place = page.locator(field)
        before = place.input_value()
        place.fill(value)
        shown = f"document.querySelector('[data-problem=\"{key}\"]')"
        wait(page, f"{shown}.textContent.includes('{key.split('.')[-1]}')", 90)
        assert place.get_attribute("aria-invalid") == "true"
        assert page.evaluate(f"{shown}.closest('.row').getBoundingClientRect().height") > 0
        place.fill(before)
        wait(page, f"{shown}.textContent === ''", 90)
    page.locator(SCALE).fill("-1")
    page.locator("#save").click()
    wait(page, "document.getElementById('state').textContent.startsWith('not saved')")


def drag(page: Any, selector: str, dx: float, dy: float) -> None:
    place = page.locator(selector).bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y + dy, steps=3)
    page.mouse.up()


def test_axis_scale_bar_and_new_boxes_are_drawn_by_hand(page: Any) -> None:
    drag(page, "#axis-grip", 30, 0)
    assert float(page.locator('[data-key="axis_deg"]').input_value()) > 3

    page.locator("#scale-bar-draw").click()
    page.locator("#scale-bar-nm").fill("200")
    length = float(page.locator("#scale-bar-px").text_content())
    assert float(page.locator(SCALE).input_value()) == pytest.approx(200 / length, rel=1e-3)
    drag(page, "#scale-bar circle:nth-of-type(2)", 25, 0)
    longer = float(page.locator("#scale-bar-px").text_content())
    assert longer > length
    assert float(page.locator(SCALE).input_value()) == pytest.approx(200 / longer, rel=1e-3)

    for side in range(4):
        page.locator(f'[data-box="base"][data-side="{side}"]').fill("")
    assert page.evaluate("state.boxes.base") is None
    page.locator('[data-draw="base"]').click()
    view = page.locator("#overlay").bounding_box()
    page.mouse.move(view["x"] + 40, view["y"] + view["height"] - 60)
    page.mouse.down()
    page.mouse.move(view["x"] + 140, view["y"] + view["height"] - 10, steps=3)
    page.mouse.up()
    x, y, width, height = page.evaluate("state.boxes.base")
    assert width / height == pytest.approx(2, rel=0.1)
    assert float(page.locator('[data-box="base"][data-side="0"]').input_value()) == x
    assert y > 0


# --------------------------------------------------------------------------- a finished run


def quiet(stage: str, done: int, total: int) -> None:
    """Show no progress."""


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an experiment whose run lost the tip in two frames."""
    folder = tmp_path_factory.mktemp("untouched")
    made = simulate("rod_compression", output=folder, seed=3, frames=16, occluded_frames=2)
    path = folder / "mine.toml"
    path.write_text(COMMENT + made.experiment.read_text())
    run_again(path, progress=quiet)
    return path


@pytest.fixture(scope="module")
def mine(untouched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same, for the page to write to."""
    return copy_of(untouched, tmp_path_factory.mktemp("finished"))


def lost_frames(folder: Path) -> list[int]:
    points = read_results(folder).points
    return points["frame"][points["flags"].str.contains("TIP_LOST")].tolist()


def test_the_worst_frames_come_first(browser: Any, mine: Path) -> None:
    lost = lost_frames(mine.with_suffix(".results"))
    with serving(open_setup(mine.with_suffix(".results"))) as server:
        page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
        page.goto(server.address)
        wait(page, "document.documentElement.dataset.preview === 'done'", 180)
        assert page.evaluate("state.frame") in lost
        assert "lost" in page.locator("#worst button").first.text_content()
        page.locator("#worst button").last.click()

        frame = lost[0]
        page.evaluate(f"show({frame})")
        box = page.locator("#box-tip .box")
        box.focus()
        for key in ("ArrowUp", "ArrowUp", "ArrowLeft"):
            page.keyboard.press(key)
        wait(page, "document.documentElement.dataset.preview === 'done'", 180)
        page.locator("#save").click()
        wait(page, "document.getElementById('state').textContent.startsWith('saved')")
        page.context.close()
    text = mine.read_text()
    assert text.startswith(COMMENT)
    assert f"[[tip.reference]]\nframe = {frame}\n" in text
    stored = read_results(mine.with_suffix(".results"))
    assert only_references_differ(stored.experiment, load_experiment(mine), stored_movie(mine))


@pytest.mark.parametrize("place", ["last", "lost"])
def test_only_what_a_reference_changes_is_measured_again(
    place: str, untouched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = copy_of(untouched, tmp_path)
    folder = mine.with_suffix(".results")
    before, lost = read_results(folder).measurement, lost_frames(folder)
    further = lost[0] if place == "lost" else max(n for n in before["frame"] if n not in lost)
    seen = further - 1 if place == "lost" else further
    box = [round(v) for v in box_in(before, load_experiment(mine).tip.box_px, seen)]
    values = open_setup(mine).values() | {"tip.reference": [{"frame": further, "box_px": box}]}
    open_setup(mine).save(values)
    outlined: list[int] = []

    def watched(frame: Any, plan: Any, *rest: Any) -> Any:
        if plan.specimen is not None:
            outlined.append(frame.index)
        return observe(frame, plan, *rest)

    monkeypatch.setattr(blocks, "observe", watched)
    run_again(mine, progress=quiet)
    assert set(outlined) <= {further, *lost}
    assert set(outlined) & set(lost)  # they are found with it
    fresh = mine.with_name("fresh.toml")
    fresh.write_text(mine.read_text())
    run(fresh, progress=quiet, draw=False)  # what draws measures where nobody watches
    assert len(outlined) >= len(before) + len(set(outlined) & set(lost))
    for name in ("measurement.csv", "points.csv"):
        mended, anew = ((p.with_suffix(".results") / name).read_bytes() for p in (mine, fresh))
        assert mended == anew, name


def stored_movie(experiment: Path) -> Any:
    return movie_of(load_experiment(experiment))


def box_in(measurement: pd.DataFrame, box: Any, frame: int) -> list[float]:
    table = measurement.set_index("frame")
    moved = [table[f"tip_{k}_px"].loc[frame] - table[f"tip_{k}_px"].loc[0] for k in "xy"]
    return [box[0] + moved[0], box[1] + moved[1], box[2], box[3]]


def test_rows_of_another_specimen_are_not_kept(untouched: Path) -> None:
    stored, experiment = read_results(untouched.with_suffix(".results")), load_experiment(untouched)
    movie = movie_of(experiment)
    plan = analysis.prepare(movie, experiment)
    every = [
        int(n) for block in kept(stored, plan.learnt, movie, plan) for n in block.columns["frame"]
    ]
    assert every == stored.measurement["frame"].tolist()
    assert list(kept(stored, "another", movie, plan)) == []
    assert list(kept(stored, None, movie, plan)) == []


def test_rows_are_kept_where_only_references_differ(untouched: Path) -> None:
    experiment = load_experiment(untouched)
    movie = movie_of(experiment)
    far = {"frame": 5, "box_px": list(experiment.tip.box_px)}
    tip = type(experiment.tip)(**experiment.tip.model_dump() | {"reference": [far]})
    box = type(experiment.tip)(box_px=[v + 1 for v in experiment.tip.box_px])
    for changed, expected in (
        ({"tip": tip}, True),
        ({"tip": box}, False),
        ({"axis_deg": 1.0}, False),
    ):
        other = experiment.model_copy(update=changed)
        assert only_references_differ(experiment, other, movie) == expected


def copy_of(experiment: Path, folder: Path) -> Path:
    """Return a copy of an experiment with its movie and its results."""
    shutil.copytree(experiment.parent, folder, dirs_exist_ok=True)
    return folder / experiment.name
