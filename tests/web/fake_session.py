"""A session without kernels for the tests of server and page: a moving square in noise, counters, ways to die."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import SessionError, SolverError

CATALOGUE = [
    {
        "name": name,
        "title": f"Square {name}",
        "difficulty": 1,
        "teaching": "It moves.",
        "pitfalls": [],
        "seeds": [1, 2],
        "kind": "case",
        "patient": {
            "age": 70, "sex": "female", "history": "none", "pain": "none", "imaging": "none", "inr": 1.0,
            "platelets": 200, "allergies": [], "drugs": [], "diseases": [],
        },
        "questions": [{"id": "treat", "text": "Treat?", "options": ["yes", "no"]}],
        "checklist": [{"id": "antibiotic", "rule": "A2", "text": "Antibiotic"}],
    }
    for name in ("square", "circle", "slow")
]  # fmt: skip


NEEDLE = {"convergence_deg": 0.0, "caudal_deg": 0.0, "gauge": 11, "in_bone": False}


@dataclass(frozen=True, kw_only=True)
class Frame:
    pane: str
    seq: int
    time: float
    display: NDArray[np.uint8]
    live: bool
    orbital_deg: float = 0.0
    cranial_deg: float = 0.0
    mm_per_pixel: float = 0.5
    treatment: str = "off"


class FakeSession:
    """Counts ticks of 1/60 s; a pulse every fourth; the arm jumps."""

    def __init__(self, seed: int) -> None:
        self.tick, self.seed = 0, seed
        self.log = SimpleNamespace(lines=[])
        self.pedal, self.plane, self.finished = False, "ap", False
        self.depth, self.injected, self.rate, self.age = 0.0, 0.0, 0.0, None
        self.held: dict[str, Frame] = {}
        self.seq = self.fails_at = 0
        self.commands: list[dict[str, Any]] = []
        self.saved: list[Frame] = []
        self.level = "L1"

    def command(self, command: dict[str, Any]) -> None:
        kind = command["kind"]
        action = getattr(self, f"_{kind}", None)
        if action is None:
            raise SessionError("this is no action", where="kind", value=kind)
        action(command)
        self.commands.append(command)

    def _pedal(self, command: dict[str, Any]) -> None:
        self.pedal = command["down"]
        self.log.lines.append({"type": "event", "tick": self.tick, "t": self.tick / 60, "event": "beam on"})

    def _arm(self, command: dict[str, Any]) -> None:
        self.plane = "lateral" if abs(command.get("orbital_deg", 0.0)) > 45 else "ap"

    def _advance(self, command: dict[str, Any]) -> None:
        self.depth += command["distance_mm"]

    def _place(self, command: dict[str, Any]) -> None:
        self.depth = 2.0

    def _mask(self, command: dict[str, Any]) -> None: ...
    def _subtract(self, command: dict[str, Any]) -> None: ...

    def _save(self, command: dict[str, Any]) -> None:
        if command["plane"] not in self.held:
            raise SessionError("there is no picture of this plane yet", where="save.plane", value=command["plane"])
        self.saved.append(self.held[command["plane"]])

    def _collimate(self, command: dict[str, Any]) -> None: ...
    def _pulse_rate(self, command: dict[str, Any]) -> None: ...
    def _answer(self, command: dict[str, Any]) -> None: ...
    def _check(self, command: dict[str, Any]) -> None: ...
    def _mark_leak(self, command: dict[str, Any]) -> None: ...

    def _mix(self, command: dict[str, Any]) -> None:
        self.age = 0.0

    def _inject(self, command: dict[str, Any]) -> None:
        if self.age is None:
            raise SessionError("there is no cement", where="inject", hint="mix it first")
        self.rate = command["rate_ml_min"] / 60

    def _stop(self, command: dict[str, Any]) -> None:
        self.rate = 0.0

    def _die(self, command: dict[str, Any]) -> None:
        os._exit(3)

    def _level(self, command: dict[str, Any]) -> None:
        self.level = command["level"]
        self.held.clear()

    def _sleep(self, command: dict[str, Any]) -> None:
        time.sleep(command["seconds"])

    def _fail_later(self, command: dict[str, Any]) -> None:
        self.fails_at = self.tick + 120

    def step(self, dt: float) -> None:
        ticks = round(dt * 60)
        self.tick += ticks
        self.injected += self.rate * dt
        if self.fails_at and self.tick >= self.fails_at:
            raise SolverError("no convergence", where="pressure")
        if self.age is not None:
            self.age += dt
        if self.pedal and self.tick % 4 == 0:
            self._shoot()

    def _shoot(self) -> None:
        self.seq += 1
        image = np.random.default_rng((self.seed, self.tick)).normal(140, 6, (256, 256))
        place = self.tick % 200
        image[80:120, place : place + 40] = 30
        self.held[self.plane] = Frame(
            pane=self.plane, seq=self.seq, time=self.tick / 60, display=image.clip(0, 255).astype(np.uint8), live=True
        )

    def frames(self) -> list[Frame]:
        return [replace(frame, live=self.pedal and pane == self.plane) for pane, frame in self.held.items()]

    def telemetry(self) -> dict[str, Any]:
        orbital = 0.0 if self.plane == "ap" else 90.0
        return {
            "level": self.level, "levels": ["L1", "L2"], "time_s": self.tick / 60,
            "phase": "position", "finished": self.finished, "mode": "coach",
            "arm": {
                "plane": self.plane, "orbital_deg": orbital, "cranial_deg": 0.0, "table_lateral_mm": 0.0,
                "table_height_mm": 0.0, "table_longitudinal_mm": 0.0, "magnification": 1, "moving": False,
                "pedal": self.pedal, "pulse_rate": 15.0, "collimation_mm": None,
            },
            "dose": {"fluoro_s": 0.0, "exposures": self.seq, "dap_gy_cm2": 0.0, "kerma_mgy": 0.0, "dlp_mgy_cm": 0.0},
            "needles": {"left": NEEDLE | {"depth_mm": self.depth}} if self.depth else {},
            "syringe": {
                "injecting": "left" if self.rate else None, "injected_ml": self.injected, "session_ml": self.injected,
                "force_n": 900 * self.rate, "pressure_kpa": 4000 * self.rate, "capped": False, "rate_ml_min": 0.0,
            },
            "cement": {
                "mixed": self.age is not None, "preset": "test", "age_s": self.age, "state": "toothpaste",
                "window_s": [60.0, 300.0],
            },
            "vitals": {"map_mmhg": 95.0, "spo2": 96.0, "pulse": 78, "pain": 0.0, "alarm": False},
            "voice": [], "hints": ["Look twice."], "answers": {}, "checked": [],
        }  # fmt: skip


def make(scenario: str, seed: int, mode: str, report: Callable[[str, float], None], folder: Path) -> FakeSession:
    report("drawing a square", 0.5)
    if scenario == "circle":
        raise SessionError("circles cannot be squared", where="scenario", hint="take the square")
    if scenario == "slow":
        time.sleep(3.0)
    return FakeSession(seed)
