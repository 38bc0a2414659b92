"""The page in a real headless Chromium, with the session that needs no kernels."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from vertebro.web.actions import ACTIONS
from vertebro.web.protocol import WINDOW
from vertebro.web.server import Trainer
from web.conftest import running, until

pytestmark = pytest.mark.browser


def state(page: Any, path: str) -> Any:
    return page.evaluate(f"trainer.store.state.{path}")


def waits(page: Any, expression: str, seconds: float = 20) -> None:
    """Wait for the page (Playwright's own way needs eval, which the page's policy forbids)."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"this did not happen in time: {expression}"
        page.wait_for_timeout(30)


def test_the_pedal_lights_the_lamp_and_pictures_come_until_it_is_released(page: Any) -> None:
    assert page.inner_text("#lamp-text") == "X-RAY OFF"
    page.keyboard.down("Space")
    assert page.inner_text("#lamp-text") == "X-RAY ON"  # at once, not after an answer
    waits(page, "trainer.panes.ap.drawn > 5")
    numbers = page.evaluate("trainer.panes.ap.number")
    waits(page, f"trainer.panes.ap.number > {numbers}")
    assert "LIVE" in page.inner_text("#pane-ap .tl")
    page.keyboard.up("Space")
    waits(page, "!trainer.store.state.arm.pedal")
    assert page.inner_text("#lamp-text") == "X-RAY OFF"
    assert "LIH" in page.inner_text("#pane-ap .tl")
    assert page.evaluate("trainer.socket.mostOpen") <= WINDOW


def test_a_held_key_is_one_press_of_the_pedal(page: Any) -> None:
    sent = page.evaluate("trainer.socket.sent")
    for _ in range(5):
        page.keyboard.down("Space")
    assert page.evaluate("trainer.socket.sent") == sent + 1
    page.keyboard.up("Space")


def test_a_page_that_loses_the_focus_lets_go(page: Any) -> None:
    page.keyboard.press("k")
    page.keyboard.down("Space")
    page.keyboard.down("j")
    waits(page, "trainer.store.state.arm.pedal && trainer.store.state.syringe.injecting")
    page.evaluate("dispatchEvent(new Event('blur'))")
    waits(page, "!trainer.store.state.arm.pedal && !trainer.store.state.syringe.injecting")


def test_the_pedal_on_the_screen_works_by_mouse(page: Any) -> None:
    box = page.locator(".pedal").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    waits(page, "trainer.store.state.arm.pedal")
    page.mouse.up()
    waits(page, "!trainer.store.state.arm.pedal")


def test_a_sticky_pedal_stays_down_until_the_next_press_and_is_logged(page: Any, trainer: Trainer) -> None:
    page.keyboard.press("F4")
    page.check("#settings input >> nth=0")
    page.click("#settings button.primary")
    page.keyboard.press("Space")
    waits(page, "trainer.store.state.arm.pedal")
    page.keyboard.press("Space")
    waits(page, "!trainer.store.state.arm.pedal")
    assert trainer.link is not None
    assert "sticky" in trainer.link.journal.path.read_text()


def picture(page: Any, pane: str = "ap") -> list[int]:
    script = (
        f"(() => {{ const c = trainer.panes.{pane}.canvas;"
        " return [...c.getContext('2d').getImageData(0, c.height / 2, c.width, 1).data] })()"
    )
    return page.evaluate(script)


def exposed(page: Any) -> None:
    page.keyboard.down("Space")
    waits(page, "trainer.panes.ap.drawn > 3")
    page.keyboard.up("Space")
    waits(page, "!trainer.store.state.arm.pedal")
    page.wait_for_timeout(200)


def test_dragging_changes_the_window_without_a_word_to_the_server(page: Any) -> None:
    exposed(page)
    before, sent = picture(page), page.evaluate("trainer.socket.sent")
    box = page.locator("#pane-ap canvas").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 20, box["y"] + 160, steps=5)
    page.mouse.up()
    assert picture(page) != before
    assert page.evaluate("trainer.socket.sent") == sent
    page.keyboard.press("0")
    assert picture(page) == before


def test_invert_zoom_and_crosshair_are_the_pages_own(page: Any) -> None:
    exposed(page)
    before, sent = picture(page), page.evaluate("trainer.socket.sent")
    page.keyboard.press("i")
    assert all(abs(a + b - 255) <= 1 for a, b in zip(picture(page)[::4], before[::4], strict=True))
    assert "INVERTED" in page.inner_text("#pane-ap .tl")
    page.keyboard.press("0")
    page.keyboard.press("Shift+X")
    assert picture(page) != before
    page.keyboard.press("Shift+X")
    assert picture(page) == before
    page.keyboard.press(".")
    assert picture(page) != before
    assert page.evaluate("trainer.socket.sent") == sent


def test_a_picture_is_stored_and_recalled(page: Any) -> None:
    exposed(page)
    page.keyboard.press("s")
    page.click("#t-stored")
    page.click("#thumbs button")
    assert "STORED" in page.inner_text("#pane-ap .tl")
    page.reload()  # the session keeps it, not the page
    waits(page, "window.trainer && document.querySelectorAll('#thumbs button').length === 1")
    page.click("#t-stored")
    page.click("#thumbs button")
    assert "STORED" in page.inner_text("#pane-ap .tl")


def test_a_refused_action_says_what_to_do(page: Any) -> None:
    page.keyboard.press("j")
    waits(page, "document.querySelector('#toast').textContent.includes('mix it first')")


def test_the_view_swings_and_the_other_monitor_fills(page: Any) -> None:
    exposed(page)
    page.keyboard.press("v")
    waits(page, "trainer.store.state.arm.plane === 'lateral'")
    page.keyboard.down("Space")
    waits(page, "trainer.panes.lateral.drawn > 2")
    page.keyboard.up("Space")
    assert page.evaluate("trainer.panes.ap.width") > 0


def test_a_reload_goes_on_with_the_session(page: Any) -> None:
    exposed(page)
    page.keyboard.press("Shift+ArrowUp")
    waits(page, "trainer.store.state.needles.left?.depth_mm === 5")
    page.reload()
    waits(page, "window.trainer?.store.state.needles?.left?.depth_mm === 5")
    waits(page, "trainer.panes.ap.width > 0")
    assert not page.locator("#cover").is_visible()


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_killed_solver_comes_back_and_the_page_goes_on(page: Any, trainer: Trainer) -> None:
    exposed(page)
    page.keyboard.press("Shift+ArrowUp")
    waits(page, "trainer.store.state.needles.left?.depth_mm === 5")
    assert trainer.link is not None
    assert trainer.link.process is not None
    old = trainer.link.process.pid
    os.kill(old or 0, signal.SIGKILL)
    until(lambda: trainer.link and trainer.link.process and trainer.link.process.pid != old and trainer.link.ready)
    page.wait_for_selector("#cover", state="hidden")
    page.keyboard.press("Shift+ArrowUp")
    waits(page, "trainer.store.state.needles.left?.depth_mm === 10")


def test_a_second_tab_watches_and_can_take_over(page: Any, address: str) -> None:
    other = page.context.new_page()
    other.goto(address)
    waits(other, "window.trainer?.store.state.arm")
    waits(other, "trainer.store.control === false")
    assert "WATCHING" in other.inner_text("#notice")
    other.wait_for_selector("#cover", state="hidden")
    other.keyboard.press("F4")
    other.click("text=Take control")
    waits(other, "trainer.store.control === true")
    waits(page, "trainer.store.control === false")


def test_a_lost_server_is_told_and_nothing_is_held(browser: Any, trainer: Trainer) -> None:
    trainer.begin("square", None, "coach")
    found = browser.new_context().new_page()
    with running(trainer) as address:
        found.goto(address)
        found.click("#go", timeout=120000)
        found.keyboard.down("Space")
        waits(found, "trainer.store.state.arm.pedal")
    waits(found, "document.querySelector('#cover-title').textContent === 'Connection lost'")
    assert found.evaluate("trainer.hands.held.size") == 0
    found.context.close()


def test_a_case_is_chosen_by_keyboard_and_one_that_fails_says_why(browser: Any, trainer: Trainer) -> None:
    with running(trainer) as address:
        found = browser.new_context().new_page()
        found.goto(address)
        found.wait_for_selector("#begin")
        assert found.locator(".cases button").count() == 3
        found.focus(".cases button >> nth=1")
        found.keyboard.press("Enter")
        found.focus("#begin")
        found.keyboard.press("Enter")
        found.wait_for_selector("text=circles cannot be squared", timeout=20000)
        found.click("text=Choose another case")
        found.click(".cases button >> nth=0")
        found.click("#begin")
        found.wait_for_selector("#go", timeout=20000)
        found.context.close()


def test_another_case_begins_with_empty_monitors(page: Any) -> None:
    exposed(page)
    page.keyboard.press("F4")
    page.click("#settings >> text=Choose another case")
    page.click("#begin")
    page.wait_for_selector("#go", timeout=120000)
    assert page.evaluate("trainer.panes.ap.width") == 0
    assert state(page, "dose.exposures") == 0


def test_the_second_needle_stays_in_the_hand(page: Any) -> None:
    page.keyboard.press("Shift+ArrowUp")
    waits(page, "trainer.store.state.needles.left?.depth_mm === 5")
    page.keyboard.press("n")
    heard = page.evaluate("trainer.store.state.tick")
    waits(page, f"trainer.store.state.tick > {heard + 15}")
    assert page.evaluate("trainer.store.page.needle") == "right"


def test_another_level_begins_with_empty_monitors(page: Any) -> None:
    exposed(page)
    page.keyboard.press("d")
    waits(page, "trainer.store.state.level === 'L2'")
    assert page.evaluate("trainer.panes.ap.width") == 0
    page.keyboard.down("Space")
    waits(page, "trainer.panes.ap.width > 0")
    page.keyboard.up("Space")


def test_the_help_sheet_is_the_table_and_a_key_can_be_changed(page: Any) -> None:
    page.keyboard.press("?")
    sheet = page.inner_text("#help")
    assert all(action.label in sheet for action in ACTIONS)
    page.focus("#help button[aria-label^='Key for Store picture']")
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert "taken" in page.inner_text("#help [role=status]")
    page.focus("#help button[aria-label^='Key for Store picture']")
    page.keyboard.press("Enter")
    page.keyboard.press("9")
    page.click("#help button.primary")
    exposed(page)
    page.keyboard.press("9")
    waits(page, "document.querySelectorAll('#thumbs button').length === 1")


def test_nothing_has_to_be_scrolled_on_a_small_laptop(page: Any) -> None:
    size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert size == [1366, 768]
    outside = page.evaluate(
        "[...document.querySelectorAll('main button, header button, main output, main .card')]"
        ".filter(n => n.offsetParent).filter(n => { const b = n.getBoundingClientRect();"
        " return b.right > 1367 || b.bottom > 769 || b.left < -1 || b.top < -1 }).map(n => n.outerHTML.slice(0, 80))"
    )
    assert outside == []


CONTRAST = """() => {
  const rgb = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const f = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 };
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b) };
  const ground = (n) => { for (; n; n = n.parentElement) { const c = rgb(getComputedStyle(n).backgroundColor);
    if (c.length < 4 || c[3] > 0.9) return c } return [13, 15, 17] };
  const all = [...document.querySelectorAll('header *, .side *, .strip *')];
  return all.filter(n => n.offsetParent && !n.closest('.pane') &&
    [...n.childNodes].some(c => c.nodeType === 3 && c.textContent.trim())).map(n => {
    const a = light(rgb(getComputedStyle(n).color)), b = light(ground(n));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return [ratio, n.outerHTML.slice(0, 90)] }).filter(([r]) => r < 4.5) }"""


def test_texts_are_readable_labelled_and_in_order(page: Any) -> None:
    assert page.locator("h1").count() == 1
    assert page.evaluate(CONTRAST) == []
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, select, input, canvas[role]')].filter(n => n.offsetParent &&"
        " !(n.textContent.trim() || n.getAttribute('aria-label') || n.labels?.length)).map(n => n.outerHTML)"
    )
    assert nameless == []
    small = page.evaluate(
        "[...document.querySelectorAll('body *')].filter(n => n.offsetParent && n.localName !== 'kbd' &&"
        " [...n.childNodes].some(c => c.nodeType === 3 && c.textContent.trim()) &&"
        " parseFloat(getComputedStyle(n).fontSize) < 13).map(n => n.outerHTML.slice(0, 80))"
    )
    assert small == []
    page.focus("#pane-ap")
    order = []
    for _ in range(40):
        order.append(page.evaluate("document.activeElement.id || document.activeElement.dataset.action || ''"))
        page.keyboard.press("Tab")
    steps = ["pane-ap", "pane-lateral", "t-steps", "arm.cranial_up", "xray.pedal", "needle.advance5", "cement.inject"]
    places = [order.index(step) for step in steps if step in order]
    assert places == sorted(places)
    assert len(places) >= 4


def test_the_address_without_its_token_says_so(browser: Any, address: str) -> None:
    found = browser.new_context().new_page()
    answer = found.goto(address.split("?")[0])
    assert answer.status == 403
    assert "token" in found.inner_text("body")
    found.context.close()


def test_screenshots_are_kept(page: Any, tmp_path: Path) -> None:
    page.screenshot(path=tmp_path / "table.png")
    assert (tmp_path / "table.png").stat().st_size > 10_000


def test_the_record_can_be_read_while_the_simulator_is_prepared(browser: Any, trainer: Trainer) -> None:
    trainer.begin("slow", None, "coach")
    with running(trainer) as address:
        page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
        page.goto(address)
        page.wait_for_selector("#reading")
        assert page.is_visible("#cover-bar")
        assert "years" in page.inner_text("#reading")
        page.wait_for_selector("#go", timeout=60000)
        assert not page.query_selector("#reading")
        page.context.close()
