"""The debrief in a real browser: monitors at a second, turntable, pictures, the file to take home."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vertebro.view.gl import gl_available
from vertebro.web.catalogue import catalogue
from vertebro.web.server import Trainer
from web.conftest import running

pytestmark = pytest.mark.browser
MAKER = "web.coarse_session:make_done"
MINUTES = 240000  # ms: a machine that does something else as well
LARGEST = 6_000_000


@pytest.fixture(scope="module")
def debriefed(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page after a session, everything drawn; fails if the console saw an error or anybody else was asked."""
    trainer = Trainer(catalogue(), folder=tmp_path_factory.mktemp("sessions"), maker=MAKER)
    trainer.begin("first-steps", 11, "coach")
    with running(trainer) as address:
        context = browser.new_context(viewport={"width": 1366, "height": 768}, accept_downloads=True)
        page, faults, asked = context.new_page(), [], set()
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: asked.add(re.split(r"[/?]", request.url)[2]))
        page.goto(address)
        page.wait_for_selector("#debrief .verdict", timeout=MINUTES)
        page.wait_for_selector("#debrief-file a", timeout=MINUTES)
        yield page
        context.close()
        assert faults == []
        assert asked == {address.split("/")[2]}
    trainer.end()


def comes(page: Any, expression: str) -> None:
    """Wait until an expression holds; the page's policy allows no evaluation of its own."""
    end = time.monotonic() + MINUTES / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"this did not happen in time: {expression}"
        page.wait_for_timeout(50)


def loaded(page: Any, selector: str) -> bool:
    """Whether every picture of a selector has come."""
    return bool(page.eval_on_selector_all(selector, "all => all.length > 0 && all.every((i) => i.naturalWidth > 0)"))


def clicked_at(page: Any, seconds: float) -> None:
    """Click the strip at a second of the session."""
    page.locator(".strip-svg").scroll_into_view_if_needed()
    box = page.locator(".strip-svg").bounding_box()
    end = float(page.get_attribute(".strip-svg", "aria-valuemax"))
    first, last = 168 / 1000, 984 / 1000
    page.mouse.click(box["x"] + box["width"] * (first + (last - first) * seconds / end), box["y"] + 10)


def test_first_thing_shown_is_the_second_when_a_leak_could_have_been_seen(debriefed: Any) -> None:
    debriefed.wait_for_selector(".monitors img", timeout=MINUTES)
    words = debriefed.inner_text(".course")
    assert "You could have seen" in words
    assert "visible" in debriefed.inner_text(".monitors")
    outlined = debriefed.get_attribute(".monitors figure[data-plane=lateral] img", "src")
    assert "-leak.jpg" in outlined
    debriefed.uncheck("#outline")
    assert "-leak.jpg" not in debriefed.get_attribute(".monitors figure[data-plane=lateral] img", "src")
    debriefed.check("#outline")
    comes(debriefed, "[...document.querySelectorAll('.monitors img')].every((i) => i.naturalWidth > 0)")


def test_click_on_the_strip_shows_both_monitors_at_that_second(debriefed: Any) -> None:
    clicked_at(debriefed, 60.0)
    comes(debriefed, "document.querySelector('.monitors')?.innerText.includes('picture of 0:')")
    assert int(debriefed.get_attribute(".strip-svg", "aria-valuenow")) == pytest.approx(60, abs=1)
    assert debriefed.locator(".monitors figure").count() == 2
    comes(debriefed, "[...document.querySelectorAll('.monitors img')].every((i) => i.naturalWidth > 0)")
    debriefed.keyboard.press("Home")
    debriefed.focus(".strip-svg")
    debriefed.keyboard.press("Home")
    comes(debriefed, "document.querySelector('.monitors').innerText.includes('still empty')")


def test_next_action_leads_to_its_second(debriefed: Any) -> None:
    button = debriefed.locator(".next .when").first
    button.click()
    text = button.inner_text().removeprefix("at ")
    assert debriefed.inner_text(".moment-words").startswith(text)


def test_each_leak_is_shown_from_where_it_shows_best(debriefed: Any) -> None:
    debriefed.evaluate("document.querySelector('#best').scrollIntoView()")
    figures = debriefed.locator("#best figure")
    assert 1 <= figures.count() <= 3
    for words in figures.all_inner_texts():
        assert "°" in words
    debriefed.evaluate("for (const i of document.querySelectorAll('#best img')) i.loading = 'eager'")
    comes(debriefed, "[...document.querySelectorAll('#best img')].every((i) => i.naturalWidth > 0)")


def test_how_far_the_case_has_come_is_told(debriefed: Any) -> None:
    comes(debriefed, "document.querySelector('#standing').textContent.includes('Last time: ')")


def test_leaflet_and_before_and_after_are_there(debriefed: Any) -> None:
    debriefed.evaluate("document.querySelector('#pictures').scrollIntoView()")
    captions = debriefed.inner_text("#pictures")
    for words in ("needle on the way", "before the cement", "CT after", "at the end"):
        assert words in captions
    debriefed.evaluate("for (const i of document.querySelectorAll('#pictures img')) i.loading = 'eager'")
    comes(debriefed, "[...document.querySelectorAll('#pictures img')].every((i) => i.naturalWidth > 0)")


@pytest.mark.skipif(not gl_available(), reason="needs OpenGL (vertebro doctor)")
def test_turntable_turns_under_the_mouse(debriefed: Any) -> None:
    image = debriefed.locator(".turn img")
    image.scroll_into_view_if_needed()
    before, box = image.get_attribute("src"), image.bounding_box()
    debriefed.mouse.move(box["x"] + 300, box["y"] + 150)
    debriefed.mouse.down()
    debriefed.mouse.move(box["x"] + 100, box["y"] + 150, steps=8)
    debriefed.mouse.up()
    after = image.get_attribute("src")
    assert after != before
    comes(debriefed, "document.querySelector('.turn img').naturalWidth > 0")
    assert int(debriefed.input_value(".turn input")) == pytest.approx(120, abs=5)
    debriefed.locator(".turn button").first.click()
    assert image.get_attribute("src").split("-")[2] != after.split("-")[2]


def test_debrief_is_one_file_that_needs_nobody(debriefed: Any, browser: Any, tmp_path: Path) -> None:
    with debriefed.expect_download() as waiting:
        debriefed.click("#debrief-file a >> nth=0")
    path = tmp_path / "debrief.html"
    waiting.value.save_as(path)
    assert path.stat().st_size < LARGEST
    context = browser.new_context(offline=True)
    page, faults, asked = context.new_page(), [], []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: asked.append(request.url) if not request.url.startswith("data:") else None)
    page.goto(path.as_uri())
    assert loaded(page, "img")
    assert "unvalidated draft" in page.inner_text("main")
    assert "education and research only" in page.inner_text("body").lower()
    page.click("ol.next a >> nth=0")
    assert asked == [path.as_uri()]
    assert faults == []
    context.close()


def test_json_beside_it_holds_the_same_debrief(debriefed: Any, tmp_path: Path) -> None:
    with debriefed.expect_download() as waiting:
        debriefed.click("#debrief-file a >> nth=1")
    waiting.value.save_as(tmp_path / "debrief.json")
    facts = json.loads((tmp_path / "debrief.json").read_text(encoding="utf-8"))
    assert facts["verdict"] == debriefed.inner_text(".verdict")
    assert facts["leaks"][0]["t_visible_s"] > facts["leaks"][0]["t_leak_s"]
