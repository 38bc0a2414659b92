"""The trainer's session while cement goes in at 15 pulses a second: its speed, and what the monitor gets at 1x."""

from __future__ import annotations

import os
import statistics
import time
from itertools import pairwise
from typing import Any

from benches.measure import Result
from vertebro.training.session import Session
from vertebro.web.pace import TICK, Pace
from vertebro.web.pictures import message

RATE = 3.0  # ml/min


def injecting(scenario: str = "first-steps") -> Session:
    """Case 1 as it ships, 0.8 mm and 512 x 512: needle where the CT planned it, cement flowing under lateral view."""
    session = Session(scenario)

    def do(kind: str, **more: Any) -> None:
        session.command({"kind": kind, **more})

    plan = session.observation().plan
    name, needle = next(iter(plan["needles"].items()))
    way = {key: needle[key] for key in ("entry_mm", "convergence_deg", "caudal_deg", "gauge")}
    do("place", needle=name, **way)
    for part in (needle["length_mm"] - 52.0, 50.0):
        do("advance", needle=name, distance_mm=part)
    do("arm", **plan["views"]["lateral"])
    while session.arm.moving:
        session.step(0.5)
    do("mix")
    do("wait", seconds=session.observation().readouts["cement"]["window_s"][0])
    do("pulse_rate", rate=15.0)
    do("pedal", down=True)
    do("inject", needle=name, rate_ml_min=RATE)
    session.step(3.0)
    return session


def _shown(session: Session, known: int) -> int:
    """Code the newest picture if it is new; its number."""
    for frame in session.frames():
        if frame.live and frame.seq > known:
            message(frame)
            return frame.seq
    return known


def speed(session: Session, seconds: float) -> dict[str, float]:
    """As fast as it goes: seconds of the session per second of the wall clock and of all threads' processor time."""
    wall, cpu, known = time.perf_counter(), time.process_time(), 0
    for _ in range(round(seconds / TICK)):
        session.step(TICK)
        known = _shown(session, known)
        session.telemetry()
    return {"wall": seconds / (time.perf_counter() - wall), "cpu": seconds / (time.process_time() - cpu)}


def at_one(session: Session, seconds: float) -> dict[str, float]:
    """At 1x, as the worker does it: pictures a second, gaps between them [ms], speed reached."""
    pace, known, came = Pace(time.monotonic()), 0, []
    start = time.monotonic()
    ticks = 0
    while (now := time.monotonic()) - start < seconds:
        time.sleep(pace.wait(now))
        for _ in range(pace.due(time.monotonic())):
            session.step(TICK)
            ticks += 1
            newest = _shown(session, known)
            if newest != known:
                known = newest
                came.append(time.monotonic())
        session.telemetry()
    gaps = sorted(1e3 * (b - a) for a, b in pairwise(came))
    return {
        "pictures": len(came) / seconds,
        "speed": ticks * TICK / seconds,
        "gap_ms": statistics.median(gaps),
        "gap_p95_ms": gaps[int(0.95 * len(gaps))],
    }


def trainer_speed(quick: bool) -> list[Result]:
    """Both, on case 1."""
    session = injecting()
    fast, live = speed(session, 5.0 if quick else 15.0), at_one(session, 5.0 if quick else 15.0)
    shape = " x ".join(str(n) for n in session.site.anatomy.grid.shape)
    note = f"{shape} at {1e3 * session.site.anatomy.grid.spacing[0]:.1f} mm, load {os.getloadavg()[0]:.1f}"
    return [
        Result(
            name="trainer: session seconds per second, injecting at 15 p/s", value=fast["wall"], unit="1",
            note=f"{note}; per processor second {fast['cpu']:.2f}; aim 1", more=fast,
        ),
        Result(
            name="trainer: pictures coded at 1x while injecting, aim 15", value=live["pictures"], unit="1/s",
            note=f"{note}; speed {live['speed']:.2f}, gap {live['gap_ms']:.0f}, p95 {live['gap_p95_ms']:.0f} ms",
            more=live,
        ),
    ]  # fmt: skip


BENCHES = (trainer_speed,)
