"""A needle placed on CT in a real browser, with the real session of the sacrum on a coarse grid."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vertebro.web.catalogue import catalogue
from vertebro.web.server import Trainer
from web.conftest import running

pytestmark = [pytest.mark.browser, pytest.mark.slow]
MAKER = "web.coarse_session:make"
STEEL = 2500  # HU
BRIGHTEST = "Math.max(...trainer.room.sheets[0].found.hu)"


@pytest.fixture(scope="module")
def page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page at the table, in the CT room; its tests follow each other through one procedure."""
    folder: Path = tmp_path_factory.mktemp("ct")
    trainer = Trainer(catalogue(), folder=folder, maker=MAKER)
    with running(trainer) as address:
        found = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
        faults: list[str] = []
        found.on("pageerror", lambda error: faults.append(str(error)))
        trainer.begin("sacrum-h", None, "coach")
        found.goto(address)
        found.click("#go", timeout=240000)
        yield found
        found.context.close()
        assert faults == []
    trainer.end()


def waits(page: Any, expression: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        said = page.inner_text("#toast")
        assert time.monotonic() < end, f"this did not happen in time: {expression}; the page says {said!r}"
        page.wait_for_timeout(50)


def state(page: Any, path: str) -> Any:
    return page.evaluate(f"trainer.store.state?.{path}")


def note(page: Any, plane: str = "axial") -> str:
    return str(page.inner_text(f".ct-room .{plane} .bl"))


def middle(page: Any) -> tuple[float, float]:
    box = page.locator(".ct-room .axial").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def shoot(page: Any, key: str = "Shift+B") -> None:
    number = page.evaluate("trainer.ct.scan?.number ?? 0")
    page.keyboard.press(key)
    waits(page, f"(trainer.ct.scan?.number ?? 0) > {number}")


def test_a_case_guided_by_ct_opens_with_three_planes_of_the_planning_ct(page: Any) -> None:
    assert page.is_visible("#ct-room")
    assert not page.is_visible("#pane-ap")
    waits(page, "trainer.room.sheets.every(sheet => sheet.found)")
    assert [note(page, plane).split()[:3] for plane in ("axial", "coronal", "sagittal")] == [
        ["planning", "CT", "axial"], ["planning", "CT", "coronal"], ["planning", "CT", "sagittal"],
    ]  # fmt: skip


def test_scrolling_reads_on_without_time_or_dose(page: Any) -> None:
    page.mouse.move(*middle(page))
    page.mouse.wheel(0, -100)
    waits(page, "trainer.room.sheets[0].found.about.offset_mm === 2")
    page.keyboard.press("Shift+PageDown")
    waits(page, "trainer.room.sheets[0].found.about.offset_mm === 0")
    assert state(page, "dose.dlp_mgy_cm") == 0


def test_a_click_moves_the_other_two_planes_there(page: Any) -> None:
    x, y = middle(page)
    page.mouse.click(x + 60, y)
    waits(page, "trainer.room.sheets[2].found.about.offset_mm < -20")
    assert page.evaluate("trainer.ct.point[0]") < -20  # the patient's left is on the right
    page.mouse.click(x, y)
    waits(page, "Math.abs(trainer.room.sheets[2].found.about.offset_mm) <= 2")


def test_dragging_windows_without_asking_the_server(page: Any) -> None:
    x, y = middle(page)
    before, level = page.evaluate("trainer.socket.sent"), page.evaluate("trainer.ct.window.level")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 40)
    page.mouse.up()
    assert page.evaluate("trainer.ct.window.level") != level
    assert page.evaluate("trainer.socket.sent") == before
    page.keyboard.press("1")
    assert page.evaluate("trainer.ct.window.level") == 500


def test_the_way_of_a_needle_is_drawn_and_its_end_is_dragged(page: Any) -> None:
    page.keyboard.press("p")
    waits(page, "trainer.room.sheets[0].found?.about.source === 'planning'")
    planned = page.evaluate("trainer.store.plan.needles.left.line_mm")
    assert page.evaluate("trainer.store.page.way") == planned
    box = page.locator(".ct-room .axial").bounding_box()
    x, y = page.evaluate("trainer.room.sheets[0].pixel(trainer.store.page.way[0])")
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.down()
    page.mouse.move(box["x"] + x + 12, box["y"] + y)
    page.mouse.up()
    assert page.evaluate("trainer.store.page.way[0][0]") < planned[0][0] - 2
    assert "way" in page.inner_text("#o-ct")
    page.keyboard.press("Escape")
    assert page.evaluate("trainer.store.page.way") is None


def test_keys_alone_aim_numb_and_puncture(page: Any) -> None:
    page.keyboard.press("p")
    turn = page.evaluate("trainer.store.page.convergence")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("trainer.store.page.convergence") == pytest.approx(turn + 1)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("l")
    page.keyboard.press("Enter")
    waits(page, "trainer.store.state.needles.left")
    planned = page.evaluate("trainer.store.plan.needles.left.convergence_deg")
    assert state(page, "needles.left.convergence_deg") == pytest.approx(planned, abs=0.01)


def test_a_quick_shot_shows_the_needle_and_its_dose(page: Any) -> None:
    for _ in range(5):
        page.keyboard.press("Shift+ArrowUp")
    waits(page, "trainer.store.state.needles.left.depth_mm > 26")
    shoot(page)
    waits(page, f"{BRIGHTEST} > {STEEL}")
    assert "CT shot" in note(page)
    assert "planning" in note(page, "coronal")  # three axial slices are no volume
    assert state(page, "dose.dlp_mgy_cm") == pytest.approx(1.5)
    assert page.inner_text("#r-dlp") == "2"


def test_a_needle_that_has_moved_since_is_said_to_have(page: Any) -> None:
    page.keyboard.press("Shift+ArrowUp")
    waits(page, "trainer.store.state.needles.left.depth_mm > 31")
    page.keyboard.press("Shift+PageUp")
    waits(page, "document.querySelector('.ct-room .axial .bl').textContent.includes('moved since')")


def test_a_page_loaded_again_is_back_in_the_ct_room_with_the_last_scan(page: Any) -> None:
    number = page.evaluate("trainer.ct.scan.number")
    page.reload()
    waits(page, "window.trainer?.room.open")
    waits(page, f"trainer.ct.scan?.number === {number}")
    waits(page, "trainer.store.state.needles.left.depth_mm > 31")


def test_a_sequence_can_be_read_in_all_planes(page: Any) -> None:
    shoot(page, "b")
    waits(page, "trainer.room.sheets.every(sheet => sheet.found?.about.source === 'control')")
    page.keyboard.press("Shift+PageUp")
    waits(page, "trainer.room.sheets[0].found.about.offset_mm > trainer.ct.scan.centre_mm[2] + 1")
    assert "control CT" in note(page)


def test_the_beam_brings_the_x_ray_monitors_back(page: Any) -> None:
    page.keyboard.down("Space")
    waits(page, "trainer.panes.ap.drawn > 0")
    page.keyboard.up("Space")
    waits(page, "!trainer.store.state.arm.pedal")
    assert page.is_visible("#pane-ap")
    assert not page.is_visible("#ct-room")
    page.keyboard.press("w")
    assert page.is_visible("#ct-room")


def test_nothing_of_the_bar_is_cut_off_at_1366_pixels(page: Any) -> None:
    assert page.evaluate("document.querySelector('.bar').scrollWidth <= document.querySelector('.bar').clientWidth")
