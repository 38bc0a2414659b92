"""The pictures of a debrief, made one after the other so that whoever makes them stays able to answer.

From the monitors: AP and lateral before and after, and both at every second that matters. Drawn anew from the
simulated state: the pictures of patients' leaflets, CT before and after, and the vertebra on a turntable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro.observe import Camera
from vertebro.scans import MARROW
from vertebro.sources import Constant
from vertebro.training.log import events
from vertebro.training.past import anaesthetic_ways, memory_of, run_of, session_time
from vertebro.view.best_views import best_views
from vertebro.view.debrief_strip import clock
from vertebro.view.moments import Monitor, as_jpeg, monitors_at
from vertebro.view.series import VIEWS, SeriesPicture, beside, early_moment, middle_of, series_steps
from vertebro.view.turntable import turntable

if TYPE_CHECKING:
    from vertebro.imaging import FluoroView
    from vertebro.record import Run
    from vertebro.training.session import Session

FINE_OUTER = Constant(0.72e-3, "m", 0.6e-3, 0.9e-3, "vertebro", "ours", "needle for local anaesthesia, 22 G")
FINE_INNER = Constant(0.41e-3, "m", 0.3e-3, 0.6e-3, "vertebro", "ours", "its lumen")
FINE_HUB = 0.02  # m of it outside the skin
MOST_MOMENTS = 8
PART_OF_WAY = 0.6  # share of the cement in the middle ring where nothing leaked


@dataclass(slots=True)
class Album:
    """Files and what they show; grows while its steps are taken.

    Parameters
    ----------
    session : Session
        Finished, with a memory.
    found : dict
        Its debrief (`vertebro.training.debrief.explained`).

    Attributes
    ----------
    files : dict of str to bytes
        JPEG pictures by file name.
    contents : dict
        Plain JSON values: ``moments`` (t, why, monitors), ``quartet``, ``best``, ``leaflet`` (file, alt, caption) and
        ``rings`` (level, t, words, files), as far as they are made.
    """

    session: Session
    found: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    contents: dict[str, Any] = field(default_factory=dict)

    def steps(self) -> Iterator[str]:
        """Make everything, a stage at a time; yields the stage just made.

        Raises
        ------
        SessionError
            If the session kept nothing.
        """
        self.contents = {"moments": [], "quartet": [], "best": [], "leaflet": [], "rings": []}
        self.moments()
        self.quartet()
        yield "monitors"
        runs = {level: run_of(self.session, level) for level in self.levels()}
        for level, run in runs.items():
            for _ in self.best(level, run):
                yield "best views"
        for level, run in runs.items():
            for _ in self.rings(level, run):
                yield "turntable"
        main = next(iter(runs), None)
        if main is not None:
            for _ in self.leaflet(main, runs[main]):
                yield "series"

    def levels(self) -> list[str]:
        """Levels with a needle, the one with the most cement first."""
        sites, needles = self.session.sites, memory_of(self.session).needles
        held = {
            level: 0.0 if site.engine is None else float(site.engine.state.injected_volume)
            for level, site in sites.items()
            if needles.get(level)
        }
        return sorted(held, key=lambda level: -held[level])

    # from the monitors ----------------------------------------------------------------------------------------------

    def moments(self) -> None:
        """Both monitors at every second that a next step or a leak is about."""
        wanted: dict[int, tuple[float, list[str]]] = {}
        for leak in self.found["leaks"]:
            time = leak["t_leak_s"] if leak["t_visible_s"] is None else leak["t_visible_s"]
            said = "hidden on every picture you took" if leak["t_visible_s"] is None else "you could have seen it here"
            wanted.setdefault(round(time), (time, []))[1].append(f"Leak {leak['kind']}, {leak['words']}: {said}.")
        for step in self.found["next"]:
            if step["t"] is not None:
                wanted.setdefault(round(step["t"]), (step["t"], []))[1].append(step["why"])
        for key in sorted(wanted)[:MOST_MOMENTS]:
            time, why = wanted[key]
            self.contents["moments"].append(self.moment(time) | {"why": list(dict.fromkeys(why))})

    def moment(self, time: float) -> dict[str, Any]:
        """Both monitors at a second: their files and what can be said of them."""
        rows = []
        for monitor in monitors_at(self.session, time):
            stem = f"monitor-{monitor.plane}-{round(monitor.time * 60):06d}"
            rows.append(self._monitor(monitor, stem))
        return {"t": time, "monitors": rows}

    def _monitor(self, monitor: Monitor, stem: str) -> dict[str, Any]:
        row = {
            "plane": monitor.plane,
            "t": monitor.time,
            "words": monitor.words,
            "file": f"{stem}.jpg",
            "outlined": None,
        }
        self.files[f"{stem}.jpg"] = monitor.plain
        if monitor.outlined is not None:
            row["outlined"] = f"{stem}-leak.jpg"
            self.files[f"{stem}-leak.jpg"] = monitor.outlined
        return row

    def quartet(self) -> None:
        """AP and lateral before the cement and at the end, as they stood on the monitors."""
        lines = self.session.log.lines
        first = next((line["t"] for line in events(lines, "injection starts")), None)
        moments = [("after", lines[-1]["t"])] if first is None else [("before", first), ("after", lines[-1]["t"])]
        for name, time in moments:
            for monitor in monitors_at(self.session, time):
                file = f"{name}-{monitor.plane}.jpg"
                self.files[file] = monitor.plain
                plane = {"ap": "AP", "lateral": "Lateral"}[monitor.plane]
                when = "before the cement" if name == "before" else "at the end"
                self.contents["quartet"].append(
                    {"file": file, "alt": f"{plane} fluoroscopy {when}, as it stood on the monitor.",
                     "caption": f"{plane} {when}: your picture of {clock(monitor.time)}."}
                )  # fmt: skip

    def best(self, level: str, run: Run) -> Iterator[None]:
        """Each leak in the view that shows it best, whether or not the trainee took it."""
        for view in best_views(self.session, level, run):
            file = f"best-{level.lower()}-{view.key}.jpg"
            self.files[file] = view.jpeg
            self.contents["best"].append(
                {"file": file, "alt": view.words, "caption": view.words, "level": level, "key": view.key,
                 "orbital_deg": view.orbital, "cranial_deg": view.cranial, "visible": view.visible}
            )  # fmt: skip
            yield

    # drawn anew -----------------------------------------------------------------------------------------------------

    def rings(self, level: str, run: Run) -> Iterator[None]:
        """Turntable pictures of a level: early, when it first leaked (or part of the way), at the end."""
        chosen = ring_times(run)
        site = self.session.sites[level]
        rows: list[dict[str, Any]] = [
            {"level": level, "t": session_time(site, time), "words": f"{level}, {words}", "files": []}
            for time, words in chosen
        ]
        self.contents["rings"] += rows
        for turn in turntable(run, [time for time, _ in chosen]):
            name = f"turn-{level.lower()}-{turn.moment}-{turn.step:02d}.jpg"
            self.files[name] = as_jpeg(turn.image)
            rows[turn.moment]["files"].append(name)
            yield

    def leaflet(self, level: str, run: Run) -> Iterator[None]:
        """The pictures of patients' leaflets, the local anaesthesia first."""
        fine = anaesthesia(self.session, level, run)
        pictures = iter([] if fine is None else [fine])
        for source in (pictures, series_steps(run)):
            for picture in source:
                file = f"series-{picture.name}.jpg"
                self.files[file] = as_jpeg(picture.image)
                caption = picture.caption
                self.contents["leaflet"].append({"file": file, "alt": picture.alt, "caption": caption})
                yield


def ring_times(run: Run) -> list[tuple[float, str]]:
    """Moments [s] of a run worth walking round, in order of time, each with words for it."""
    end, early = float(run.times[-1]), early_moment(run)
    if len(run.times) < 3:
        return [(end, "at the end")]
    leaks = [leak["t_leak_s"] for leak in run.summary["leaks"] if early < leak["t_leak_s"] < end]
    wet = run.saturation.sum(axis=(1, 2, 3), dtype=float)
    later = [float(time) for time in run.times if min(leaks, default=end) <= time < end]
    if leaks and later:
        middle = (later[0], "after the first leak")
    else:
        middle = (float(run.times[int(np.argmin(np.abs(wet - PART_OF_WAY * wet[-1])))]), "part of the way")
    found = {early: "early", middle[0]: middle[1], end: "at the end"}
    return sorted(found.items())


def anaesthesia(session: Session, level: str, run: Run) -> SeriesPicture | None:
    """The fine needle at the periosteum in both planes; None where no anaesthetic reached bone."""
    ways = anaesthetic_ways(session, session.log.lines, level)
    if not ways:
        return None
    camera, panels = Camera(run.scene), []
    for view in VIEWS:
        prepared = camera.view(view)
        frame = prepared.frame(
            cement_line=None, needle_line=_fine_steel(prepared, ways), cement=camera.cement, replaced=MARROW,
            seed=run.case.seed, number=2,
        )  # fmt: skip
        panels.append(middle_of(frame.display, run, view))
    return SeriesPicture(
        name="anaesthesia",
        image=beside(panels),
        alt="Two X-ray frames, AP and lateral: the fine needle for local anaesthesia touches the bone.",
        caption="Local anaesthesia: the tip of the fine needle at the periosteum.",
    )


def _fine_steel(prepared: FluoroView, ways: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Any:
    from vertebro.imaging import needle_path

    steel = np.zeros((prepared.geometry.rows, prepared.geometry.cols), np.float32)
    for entry, tip in ways:
        needle_path(
            prepared.geometry, entry, tip, outer_diameter=FINE_OUTER, inner_diameter=FINE_INNER, hub_length=FINE_HUB,
            out=steel,
        )  # fmt: skip
    return steel
