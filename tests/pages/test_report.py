from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tem_track import pages
from tem_track.frames import open_movie
from tem_track.pages import stills
from tem_track.pages.flagged import problem_rows, worst_first
from tem_track.pages.methods import methods_paragraph
from tem_track.pages.report import safe_json
from tem_track.pages.stills import make_stills, nearest, thinned
from tests.outputs import made
from tests.pages.browser import opened, wait

READ_CODE = """() => {
  const image = document.getElementById('still');
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const scale = image.naturalWidth / WIDTH;
  let value = 0;
  for (let bit = 0; bit < BITS; bit += 1) {
    const x = Math.floor((bit + 0.5) * BLOCK * scale);
    const y = Math.floor(BLOCK / 2 * scale);
    value = 2 * value + (context.getImageData(x, y, 1, 1).data[0] > 127 ? 1 : 0);
  }
  return value;
}"""
READ_CODE = READ_CODE.replace("WIDTH", str(made.SIZE[0])).replace("BITS", str(made.CODE_BITS))
READ_CODE = READ_CODE.replace("BLOCK", str(made.CODE_PX))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    pages.write_report(made.result(), made.movie(), path)
    return path


@pytest.fixture(scope="module")
def page(browser: Any, report: Path) -> Iterator[Any]:
    with opened(browser, report) as (page, complaints):
        page.complaints = complaints
        yield page


def settle(page: Any, frame: int) -> None:
    wait(page, f"document.documentElement.dataset.shown === '{frame}'")


def choose(page: Any, row: int) -> None:
    page.evaluate(f"chooseByHand({row})")
    settle(page, row)


def point_of(page: Any, panel: str, row: int) -> tuple[float, float]:
    """Where a point of a curve lies on the screen."""
    x, y = page.evaluate(
        """([key, row]) => {
          const plot = plots.find((p) => p.panel.key === key);
          plot.root.scrollIntoView({ block: 'center' });
          const box = plot.root.getBoundingClientRect();
          return [box.x + plot.toX(plot.x[row]), box.y + plot.toY(plot.series[0][row])];
        }""",
        [panel, row],
    )
    return x, y


@pytest.mark.parametrize("row", [3, 20, 29])
@pytest.mark.parametrize("panel", ["force_deformation", "stress_strain", "length_time"])
def test_a_hovered_point_shows_its_own_frame(page: Any, panel: str, row: int) -> None:
    choose(page, 45)
    page.mouse.move(*point_of(page, panel, row))
    wait(page, "document.documentElement.dataset.row !== '45'")
    shown = int(page.evaluate("document.documentElement.dataset.row"))
    settle(page, shown)
    points = made.result().points  # points on top of each other may answer for each other
    assert points["force_nN"].iloc[shown] == pytest.approx(points["force_nN"].iloc[row], abs=1e-6)
    assert page.evaluate(READ_CODE) == shown
    assert page.inner_text("#frame-number") == f"frame {shown}"


def test_the_keys_step_through_the_frames(page: Any) -> None:
    choose(page, 10)
    for key, frame in (
        ("ArrowRight", 11), ("ArrowRight", 12), ("ArrowLeft", 11), ("PageUp", 21),
        ("PageDown", 11), ("Home", 0), ("End", 47),
    ):  # fmt: skip
        page.keyboard.press(key)
        settle(page, frame)
        assert page.evaluate(READ_CODE) == frame


def test_the_slider_steps_once_a_key(page: Any) -> None:
    choose(page, 10)
    page.focus("#slider")
    page.keyboard.press("ArrowRight")
    settle(page, 11)
    page.evaluate("slider.value = 33; slider.dispatchEvent(new Event('input'))")
    settle(page, 33)
    assert page.evaluate(READ_CODE) == 33


def test_play_runs_to_the_end_and_stops(page: Any) -> None:
    choose(page, 41)
    page.click("#play")
    assert page.inner_text("#play") == "Pause"
    settle(page, 47)
    wait(page, "document.getElementById('play').textContent === 'Play'")
    assert page.evaluate(READ_CODE) == 47


def test_marks_belong_to_the_picture_and_can_be_hidden(page: Any) -> None:
    choose(page, 30)
    points = made.result().points
    corners = page.get_attribute("#overlay polygon.tip_box", "points").split()
    top = min(float(corner.split(",")[1]) for corner in corners)
    lift = points["deflection_nm"].iloc[30] / made.SCALE
    assert top == pytest.approx(44 - 0.5 - lift, abs=0.06)
    page.keyboard.press("o")
    assert not page.is_visible("#overlay polygon.tip_box")
    page.keyboard.press("o")
    assert page.is_visible("#overlay polygon.tip_box")


def test_curves_zoom_and_come_back(page: Any) -> None:
    x, y = point_of(page, "length_time", 20)
    before = page.evaluate("plots.find((p) => p.panel.key === 'length_time').x_range")
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    wait(page, f"plots.find((p) => p.panel.key === 'length_time').x_range[1] < {before[1]}")
    page.mouse.dblclick(x, y)
    assert page.evaluate("plots.find((p) => p.panel.key === 'length_time').x_range") == before
    page.focus("svg[data-panel='length_time']")
    page.keyboard.press("+")
    zoomed = page.evaluate("plots.find((p) => p.panel.key === 'length_time').x_range")
    assert zoomed[1] - zoomed[0] == pytest.approx(0.8 * (before[1] - before[0]))
    page.keyboard.press("Shift+ArrowRight")
    moved = page.evaluate("plots.find((p) => p.panel.key === 'length_time').x_range")
    assert moved[0] - zoomed[0] == pytest.approx(0.125 * (zoomed[1] - zoomed[0]))
    assert moved[1] - moved[0] == pytest.approx(zoomed[1] - zoomed[0])
    row = page.evaluate("document.documentElement.dataset.row")
    page.keyboard.press("0")
    assert page.evaluate("plots.find((p) => p.panel.key === 'length_time').x_range") == before
    assert page.evaluate("document.documentElement.dataset.row") == row


def test_everything_is_reached_by_the_tab_key(page: Any) -> None:
    page.evaluate("document.activeElement.blur()")
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate(
                "document.activeElement.id || document.activeElement.dataset.panel"
                " || document.activeElement.dataset.row || document.activeElement.dataset.copy"
            )
        )
    assert {"previous", "play", "next", "slider", "show-marks", "force_deformation"} <= seen
    assert {"stress_strain", "16", "methods", "experiment"} <= seen


def test_a_flagged_frame_is_listed_and_shown(page: Any) -> None:
    choose(page, 0)
    button = page.locator("button[data-row]").first
    assert button.inner_text() == "frame 16: poor match, bent"
    button.click()
    settle(page, 16)
    assert "poor match" in page.inner_text("#frame-flags")


def test_the_network_is_never_asked_and_nothing_complains(page: Any) -> None:
    assert page.complaints == []


def test_eval_and_foreign_scripts_are_refused(browser: Any, report: Path) -> None:
    with opened(browser, report) as (page, _):
        refused = page.evaluate(
            """() => new Promise((done) => {
              const script = document.createElement('script');
              script.textContent = 'window.hit = true';
              document.body.append(script);
              let evaluated = true;
              const timer = setTimeout('window.hit = true', 0);
              fetch('data:text/plain,x').then(() => done('fetched'), () => done(!window.hit));
            })"""
        )
        assert refused is True


def test_the_picture_has_words_and_the_marks_have_names(page: Any) -> None:
    choose(page, 16)
    assert page.get_attribute("#still", "alt").startswith("Frame 16, 1.6 s, ")
    assert page.get_attribute("#still", "alt").endswith(", poor match, bent")
    names = page.inner_text(".names")
    for words in ("bar's edge", "tip without load", "base", "outline", "diameter"):
        assert words in names


@pytest.mark.parametrize("width", [1000, 1280, 1500, 1920])
def test_no_number_or_unit_breaks_its_line(browser: Any, tmp_path: Path, width: int) -> None:
    result = made.result(40)
    for name in ("length_nm", "stress_MPa", "diameter_tip_nm", "deflection_nm"):
        result.points[name] = 1024.5686
        result.points[f"u_{name}"] = 0.0073
    pages.write_report(result, made.movie(40), tmp_path / "report.html")
    with opened(browser, tmp_path / "report.html", width=width) as (page, _):
        choose(page, 30)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        clear = page.evaluate(
            """() => [...document.querySelectorAll('#readout tr')].map((line) => {
              const ends = [...line.cells].map((cell) => {
                const words = document.createRange();
                words.selectNodeContents(cell);
                return words.getBoundingClientRect();
              }).filter((box) => box.width > 0);
              const tall = ends.slice(1).some((box) => box.height > 26);
              return !tall && ends.slice(1).every((box, i) => box.left > ends[i].right + 1);
            })"""
        )
        assert len(clear) > 6
        assert all(clear)


def test_a_print_has_all_and_nothing_to_press(browser: Any, report: Path) -> None:
    with opened(browser, report, width=720) as (page, complaints):
        page.emulate_media(media="print")
        assert not page.is_visible("#play")
        assert not page.is_visible("text=Copy")
        assert page.is_visible("#still")
        assert page.evaluate("plots.every((one) => one.root.getBoundingClientRect().width > 250)")
        assert page.evaluate(
            "(() => { const pre = document.getElementById('experiment');"
            " return pre.scrollHeight <= pre.clientHeight + 1; })()"
        )
        assert complaints == []


EVIL = "</script><script>window.hit=1</script><img src=x onerror=window.hit=2>\u2028'\"&"


def test_user_text_injects_nothing(browser: Any, tmp_path: Path) -> None:
    result = made.result(
        movie="<b onmouseover=window.hit=3>m.avi",
        specimen={
            "box_px": [50, 84, 40, 70], "shape": "rod", "material": EVIL,
            "growth_direction": EVIL,
        },
    )  # fmt: skip
    result.summary["warnings"] = [EVIL]
    result.summary["modulus_method"] = EVIL
    result.points.loc[2, "flags"] = EVIL
    result.points.loc[3, "phase"] = EVIL
    path = tmp_path / "report.html"
    pages.write_report(result, made.movie(), path)
    with opened(browser, path) as (page, complaints):
        for row in range(5):
            choose(page, row)
        assert page.evaluate("window.hit === undefined")
        assert page.locator("img").count() == 1
        assert EVIL[:20] in page.inner_text("body")
        assert complaints == []


def test_nothing_in_json_ends_its_script() -> None:
    text = str(safe_json({"a": EVIL}))
    assert not re.search(r"[<>&\u2028]", text)


def test_the_report_is_the_same_from_run_to_run(tmp_path: Path) -> None:
    for name in "ab":
        pages.write_report(made.result(12), made.movie(12), tmp_path / f"{name}.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


LOWEST_SHADE = """() => {
  const plot = plots.find((one) => one.panel.key === "shell_time");
  const band = plot.area.querySelector(".band").getBBox();
  return Math.max(band.y + band.height - plot.toY(0), 0);
}"""
"""How far what is shaded about a layer reaches below zero, in pixels."""

CASES = ("no specimen", "all lost", "one frame", "tension", "growth", "two bodies")


@pytest.mark.parametrize("case", CASES)
def test_a_report_opens_for_every_kind_of_result(browser: Any, tmp_path: Path, case: str) -> None:
    count = 1 if case == "one frame" else 9
    changes = {"mode": "tension"} if case == "tension" else {}
    result = made.result(count, specimen=case != "no specimen", **changes)
    if case == "all lost":
        for name in result.points.columns:
            if result.points[name].dtype == float:
                result.points[name] = np.nan
        result.outlines.clear()
        result.summary.update(dict.fromkeys(result.summary))
    if case in ("growth", "two bodies"):
        result = made.growth(count, 2 if case == "two bodies" else 1)
    path = tmp_path / "report.html"
    pages.write_report(result, made.movie(count), path)
    with opened(browser, path) as (page, complaints):
        page.evaluate(f"chooseByHand({len(result.points) - 1})")
        settle(page, count - 1)
        assert page.evaluate(READ_CODE) == count - 1
        assert complaints == []


def test_the_report_of_growth_says_where_and_under_which_potential(
    browser: Any, tmp_path: Path
) -> None:
    result = made.growth(9)
    result.points["potential_V"] = np.where(np.arange(9) < 5, -5.0, -1.0)
    result.points["diameter_tip_nm"] = 80.0
    result.points["u_shell_nm"] = 10.0
    step = {"first_frame": 0, "last_frame": 4, "potential_V": -5.0, "growth_mode": "directional"}
    step |= {"length_nm_per_s": 1.998, "u_length_nm_per_s": 0.01}
    merge = {"bodies": [1, 2], "touch_frame": 4, "merge_frame": 7}
    result.summary.update(grows_at="root", rates_by_potential=[step], merges=[merge])
    path = tmp_path / "report.html"
    pages.write_report(result, made.movie(9), path)
    with opened(browser, path) as (page, complaints):
        text = page.inner_text("body")
        for words in ("root", "−5 V", "directional", "1.998", "touch in frame 4", "Potential"):
            assert words in text
        assert "at the tip" not in page.inner_text("#readout")
        choose(page, 6)
        assert complaints == []
        assert page.evaluate(LOWEST_SHADE) == 0


def test_thinned_stills_keep_what_matters_and_the_nearest_is_shown() -> None:
    rows = thinned(2000, 600, keep=[7, 1234])
    assert len(rows) <= 600
    assert {0, 7, 1234, 1999} <= set(rows)
    numbers = nearest(rows, 2000)
    for row in range(0, 2000, 13):
        distance = abs(rows[numbers[row]] - row)
        assert distance == min(abs(other - row) for other in rows)
    assert thinned(48, 600) == list(range(48))


def test_two_thousand_points_show_their_own_frames(browser: Any, tmp_path: Path) -> None:
    count = 2000
    path = tmp_path / "report.html"
    pages.write_report(made.result(count), made.movie(count, noise=3.0), path)
    assert path.stat().st_size < 25e6
    with opened(browser, path) as (page, complaints):
        for row in (333, 1000, 1702):
            choose(page, 0)
            page.mouse.move(*point_of(page, "length_time", row))
            wait(page, "document.documentElement.dataset.row !== '0'")
            shown = int(page.evaluate("document.documentElement.dataset.row"))
            settle(page, shown)
            assert abs(shown - row) <= 2  # points lie closer than the screen's pixels
            assert page.evaluate(READ_CODE) == shown
            assert page.inner_text("#still-note") == ""
        assert complaints == []


def test_where_pictures_do_not_fit_the_nearest_is_shown_and_said(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 700
    path = tmp_path / "report.html"
    monkeypatch.setattr(stills, "TOTAL_BYTES", 100_000)
    pages.write_report(made.result(count), made.movie(count), path)
    with opened(browser, path) as (page, complaints):
        own = set(page.evaluate("data.stills.map((still) => still.frame)"))
        assert len(own) <= stills.ALWAYS
        assert page.evaluate("data.frame.length") == count
        without = next(row for row in range(300, 400) if row not in own)
        page.evaluate(f"chooseByHand({without})")
        wait(page, f"document.documentElement.dataset.row === '{without}'")
        near = min(own, key=lambda frame: (abs(frame - without), frame))
        settle(page, near)
        assert page.evaluate(READ_CODE) == near
        assert page.inner_text("#still-note") == f"picture: frame {near}"
        assert page.inner_text("#frame-number") == f"frame {without}"
        page.evaluate(f"chooseByHand({near})")
        wait(page, f"document.documentElement.dataset.row === '{near}'")
        assert page.inner_text("#still-note") == ""
        assert f"of {count} frames have their picture" in page.inner_text("body")
        assert complaints == []


def test_flagged_frames_are_listed_worst_first_in_runs() -> None:
    result = made.result(30)
    flags = [""] * 30
    flags[2:5] = ["NO_CONTACT"] * 3
    flags[8] = "LOW_SCORE"
    flags[12:14] = ["TIP_LOST"] * 2
    flags[20] = "BAD_FRAME"
    result.points["flags"] = flags
    listed = worst_first(result)
    assert [item["frames"] for item in listed] == [
        "frame 20", "frames 12 to 13", "frame 8", "frames 2 to 4",
    ]  # fmt: skip
    assert problem_rows(result) == [8, 12, 13, 20]


def test_the_methods_paragraph_says_what_was_done() -> None:
    text = methods_paragraph(made.result())
    for words in ("48 frames", "6.00 ± 0.60 N/m", "4.000 ± 0.040 nm", "initial mid diameter"):
        assert words in text
    assert "outline" not in methods_paragraph(made.result(specimen=False))
    assert "cantilever" not in methods_paragraph(made.growth())


@pytest.mark.parametrize("side", [200, 1200])
def test_noisy_stills_keep_to_their_budget(side: int) -> None:
    rng = np.random.default_rng(1)
    stack = rng.normal(128, 50, (4, side, side)).clip(0, 255).astype(np.uint8)
    found = make_stills(open_movie(stack, frame_interval_s=1.0), [0, 1, 2, 3])
    assert np.mean([len(source) for source in found.sources]) < 70_000 * 4 / 3
    assert max(found.width_px, found.height_px) <= 760


def test_the_index_fits_its_page_and_opens_the_reports(browser: Any, tmp_path: Path) -> None:
    results = []
    for name in ("one.results", "two <b>.results"):
        folder = tmp_path / name
        folder.mkdir()
        pages.write_report(made.result(9), made.movie(9), folder / "report.html")
        results.append((folder, made.result(9)))
    pages.write_index(results, tmp_path / "index.html")
    context = browser.new_context(viewport={"width": 1280, "height": 600}, offline=True)
    page = context.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("tbody tr").count() == 2
    assert page.locator("b").count() == 0
    page.click("text=two <b>")
    wait(page, "document.documentElement.dataset.shown !== undefined")
    context.close()
