"""Case 1 from the briefing to the debrief, in a real browser, with the real session, by mouse and keyboard."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vertebro.training.log import read_log
from vertebro.training.score import score
from vertebro.web.catalogue import catalogue
from vertebro.web.server import Trainer
from web.conftest import running

pytestmark = pytest.mark.browser
MAKER = "web.coarse_session:make"


class Trainee:
    """Somebody at the page."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def state(self, path: str) -> Any:
        return self.page.evaluate(f"trainer.store.state?.{path}")

    def waits(self, expression: str, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            said = self.page.inner_text("#toast")
            assert time.monotonic() < end, f"this did not happen in time: {expression}; the page says {said!r}"
            self.page.wait_for_timeout(50)

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def look(self) -> None:
        before = self.state("dose.exposures")
        self.page.keyboard.down("Space")
        self.waits(f"trainer.store.state.dose.exposures > {before + 1}")
        self.page.keyboard.up("Space")
        self.waits("!trainer.store.state.arm.pedal")

    def swing(self, plane: str) -> None:
        if self.state("arm.plane") != plane:
            self.press("v")
        self.waits(f"trainer.store.state.arm.plane === '{plane}' && !trainer.store.state.arm.moving")

    def drive(self, depth: float) -> None:
        while self.state("needles.left.depth_mm") < depth - 5:
            self.press("Shift+ArrowUp")
            self.page.wait_for_timeout(60)
        while self.state("needles.left.depth_mm") < depth - 0.5:
            self.press("ArrowUp")
            self.page.wait_for_timeout(60)


@pytest.fixture
def trainee(browser: Any, tmp_path: Path) -> Iterator[tuple[Trainee, Trainer]]:
    trainer = Trainer(catalogue(), folder=tmp_path, maker=MAKER)
    with running(trainer) as address:
        page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(address)
        page.click("[data-name=first-steps]")
        page.click("#begin")
        page.wait_for_selector("#go", timeout=240000)
        yield Trainee(page), trainer
        page.context.close()
        assert faults == []
    trainer.end()


def prepared(trainee: Trainee) -> None:
    """Briefing read, views taken, needle where the CT planned it, cement mixed and ripe."""
    page = trainee.page
    page.check("#chooser input[name=treat][value=yes]")
    page.check("#chooser input[type=checkbox] >> nth=0")
    page.click("#go")
    trainee.look()
    trainee.swing("lateral")
    trainee.look()
    trainee.swing("ap")
    trainee.press("l")
    trainee.press("p")
    trainee.press("Enter")
    trainee.waits("trainer.store.state.needles.left")
    trainee.drive(page.evaluate("trainer.store.plan.needles.left.length_mm"))
    trainee.look()
    trainee.swing("lateral")
    trainee.look()
    assert trainee.state("needles.left.in_bone")
    trainee.press("t")
    trainee.press("k")
    page.select_option("#speed", "8")
    trainee.waits("trainer.store.state.cement.state && trainer.store.state.cement.state !== 'liquid'")
    page.select_option("#speed", "1")


def injected(trainee: Trainee, more: float) -> None:
    wanted = trainee.state("syringe.injected_ml") + more
    trainee.page.keyboard.down("Space")
    trainee.page.keyboard.down("j")
    trainee.waits(f"trainer.store.state.syringe.injected_ml > {wanted}", 240)
    trainee.page.keyboard.up("j")
    trainee.page.keyboard.up("Space")
    trainee.waits("!trainer.store.state.syringe.injecting && !trainer.store.state.arm.pedal")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_case_1_is_done_by_hand_through_a_crash_and_debriefed(trainee: tuple[Trainee, Trainer], tmp_path: Path) -> None:
    hands, trainer = trainee
    prepared(hands)
    injected(hands, 0.2)
    assert trainer.link is not None
    assert trainer.link.process is not None
    before = hands.state("syringe.injected_ml")
    os.kill(trainer.link.process.pid or 0, signal.SIGKILL)
    hands.waits("document.querySelector('#cover').hidden === false", 20)
    hands.waits("document.querySelector('#cover').hidden", 240)
    hands.waits("trainer.store.state.syringe")
    assert hands.state("syringe.injected_ml") == pytest.approx(before, rel=1e-9)
    injected(hands, 0.2)
    hands.press("m")
    hands.press("b")
    hands.waits("trainer.ct.scan && [...trainer.ct.slices.keys()].some(key => key.startsWith('control axial'))")
    hands.press("Shift+w")
    hands.waits("!trainer.store.state.needles.left")
    hands.press("F8")
    hands.page.check("#confirm input >> nth=0")
    hands.page.click("#finish")
    hands.page.wait_for_selector("#debrief .verdict", timeout=60000)
    text = hands.page.inner_text("#debrief")
    assert "unvalidated draft" in text
    assert "C3  Wall rule" in text or "C3 Wall rule" in text
    log = read_log(next(tmp_path.glob("*first-steps*")))
    assert f"{score(log)['points']:.0f} of 100" in hands.page.inner_text(".verdict")
    hands.page.screenshot(path=tmp_path / "debrief.png", full_page=True)
