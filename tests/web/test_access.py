"""Everybody can use the page: axe-core, from a package of the test extra, finds nothing serious on any screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vertebro.training.session import Session
from vertebro.web.lesson import lesson
from web.coarse_session import COARSE
from web.conftest import running
from web.test_browser import exposed, waits

pytestmark = pytest.mark.browser


@pytest.fixture(scope="session")
def axe() -> Callable[[Any], list[str]]:
    """Serious and critical findings of a page as it is now."""
    engine = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install vertebro[test]").Axe()

    def findings(page: Any) -> list[str]:
        page.emulate_media(reduced_motion="reduce")  # a hint that is fading out has no contrast
        return [
            f"{found['id']}: {node['html'][:120]}"
            for found in engine.run(page).response["violations"]
            if found["impact"] in ("serious", "critical")
            for node in found["nodes"]
        ]

    return findings


def test_choice_of_a_case(browser: Any, trainer: Any, axe: Callable[[Any], list[str]]) -> None:
    with running(trainer) as address:
        page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
        page.goto(address)
        page.wait_for_selector("#begin")
        assert axe(page) == []
        page.click("#begin")
        page.wait_for_selector("#go", timeout=60000)
        assert axe(page) == []  # the briefing
        page.context.close()


def test_table_and_its_tabs(page: Any, axe: Callable[[Any], list[str]]) -> None:
    assert axe(page) == []
    exposed(page)
    page.keyboard.press("s")
    waits(page, "document.querySelectorAll('#thumbs button').length === 1")
    for tab in ("t-ct", "t-stored", "t-record"):
        page.click(f"#{tab}")
        assert axe(page) == []
    page.keyboard.press("w")
    page.wait_for_selector("#ct-room:not([hidden])")
    assert axe(page) == []


@pytest.mark.parametrize("key", ["?", "F4", "F8"])
def test_dialogs(page: Any, axe: Callable[[Any], list[str]], key: str) -> None:
    page.keyboard.press(key)
    page.wait_for_selector("dialog[open]")
    assert axe(page) == []


def test_debrief(page: Any, trainer: Any, axe: Callable[[Any], list[str]]) -> None:
    session = Session("first-steps", 11, settings=COARSE)
    session.command({"kind": "expose"})
    session.command({"kind": "finish"})
    trainer.hub.hear(("debrief", lesson(session)))
    page.wait_for_selector("#debrief .verdict")
    assert axe(page) == []
