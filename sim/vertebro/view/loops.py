"""Loops of a run, as the C-arm would have stored them: the needle on its way in, the cement coming.

A run keeps the cement at a few moments and nothing of the needle's way. In the injection loop the projected cement
between two kept moments is interpolated; in the needle loop every needle is driven straight from the skin to its tip
at a steady speed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro.aim import VIEWS
from vertebro.errors import CaseError, DataError
from vertebro.imaging import Acquisition, CArm, FluoroView, Frame, Motions, Shot, Stream
from vertebro.imaging.acquisition import PULSE_RATES, interval
from vertebro.imaging.fluoroscope import PULSE_WIDTH
from vertebro.imaging.visibility import filter_share
from vertebro.observe import Camera, carm, steel_path
from vertebro.scans import MARROW
from vertebro.sources import Constant
from vertebro.view.dicom_xa import XAPlane

if TYPE_CHECKING:
    from vertebro.record import Run

Image = NDArray[np.float32]
NEEDLE_SPEED = Constant(0.01, "m/s", 1e-3, 0.05, "vertebro", "ours", "steady speed of the needle in its loop")
PULSE_RATE = Constant(7.5, "1/s", 1.0, 30.0, "vertebro", "ours", "pulses per second of the loops; AJNR 27:989 used it")
MOST_FRAMES = 120  # stored per plane unless told otherwise
LOOPS = ("needle", "injection")
PLANES = ("A", "B")


@dataclass(kw_only=True, slots=True)
class LoopMaker:
    """Takes loops and single frames of a run; each view is projected once.

    Parameters
    ----------
    run : Run
    views : sequence of str
        One or two names, see `vertebro.aim.aim`.
    rate : float [1/s]
        Pulse rate of the machine.
    most : int
        Frames stored per plane; of more pulses so many, evenly spread, the first and the last among them.

    Raises
    ------
    CaseError
        If there are not one or two different views, or the machine has no such pulse rate.
    """

    run: Run
    views: Sequence[str] = ("ap", "lateral")
    rate: float = PULSE_RATE
    most: int = MOST_FRAMES
    camera: Camera = field(init=False)

    def __post_init__(self) -> None:
        if not 1 <= len(set(self.views)) == len(self.views) <= 2:
            raise CaseError(
                "a C-arm has one plane or two", where="views", value=tuple(self.views), allowed=", ".join(VIEWS)
            )
        if self.rate not in PULSE_RATES:
            raise CaseError("unknown pulse rate", where="rate", value=self.rate, allowed=f"{PULSE_RATES} per second")
        if self.most < 1:
            raise CaseError("a loop needs a frame", where="frames", value=self.most, allowed="1 or more")
        self.camera = Camera(self.run.scene)

    def loop(self, name: str, *, start: float | None = None, end: float | None = None) -> list[XAPlane]:
        """A loop of one or two planes.

        Parameters
        ----------
        name : {"needle", "injection"}
        start, end : float [s], optional
            Part of the injection on the schedule's clock; default: all of it.

        Raises
        ------
        CaseError
            If there is no such loop.
        DataError
            If the run has no such moment, or no needle for a needle loop.
        """
        if name not in LOOPS:
            raise CaseError("unknown loop", where="loop", value=name, allowed=", ".join(LOOPS))
        if name == "needle":
            if not self.run.scene.needles:
                raise DataError("the run has no needle", where="loop", value=name, hint="--loop injection")
            span = (0.0, sum(needle.length for needle in self.run.scene.needles) / NEEDLE_SPEED)
        else:
            span = self._span(start, end)
        count = max(1, int((span[1] - span[0]) * self.rate + 1e-9) + 1)
        # first and last always: the end is what people look for
        stored = np.unique(np.rint(np.linspace(0, count - 1, min(count, self.most))))
        times = span[0] + stored / self.rate
        return [self._plane(name, view, times, count, place) for place, view in enumerate(self.views)]

    def single(self, view: str, time: float, *, number: int = 0) -> tuple[XAPlane, Frame]:
        """One exposure at a moment of the run.

        Raises
        ------
        CaseError
            If the view is unknown.
        DataError
            If the run has no such moment.
        """
        prepared = self.camera.view(view)
        line = self.camera.cement_line(prepared, self.run.cement_fraction(time), self.run.vein_cement(time))
        frame = self._expose(prepared, line, steel_path(prepared, self.run.scene.needles), number)
        loop = Acquisition(mode="single", rate=0.0, phase="shot", plane="A", shots=(self._shot(frame, view, time),))
        return self._described(loop, "shot", view, prepared, 1, 1.0), frame

    def still(self, pose: CArm | str, time: float) -> tuple[CArm, NDArray[np.uint8]]:
        """The pose and its 8-bit picture at a moment; `pose` may be any C-arm, not only a named view.

        Raises
        ------
        CaseError
            If the view is unknown.
        DataError
            If the run has no such moment.
        """
        camera, run = self.camera, self.run
        if isinstance(pose, str):
            return carm(pose, run.scene), self.single(pose, time)[1].display
        prepared = camera.prepare(pose)
        line = camera.cement_line(prepared, run.cement_fraction(time), run.vein_cement(time))
        return pose, self._expose(prepared, line, steel_path(prepared, run.scene.needles), 0).display

    def _span(self, start: float | None, end: float | None) -> tuple[float, float]:
        first = float(self.run.times[0]) if start is None else start
        last = float(self.run.times[-1]) if end is None else end
        self.run.index_at(first)
        self.run.index_at(last)
        if last < first:
            raise DataError("a loop that ends before it starts", where="end [s]", value=last, allowed=f">= {first:g}")
        return first, last

    def _plane(self, name: str, view: str, times: NDArray[np.float64], count: int, place: int) -> XAPlane:
        prepared = self.camera.view(view)
        # the planes expose in turn; the last picture of B may not lie beyond the run
        lag = place * 0.5 * interval(self.rate)
        moments = (
            np.minimum(times + lag, max(float(self.run.times[-1]), times[0])) if name == "injection" else times + lag
        )
        paint = self._needle_paint(prepared) if name == "needle" else self._cement_paint(prepared)
        stream = Stream(prepared, seed=self.run.case.seed) if len(times) == count else None
        shots = []
        for number, time in enumerate(moments):
            cement, steel, motions = paint(float(time))
            if stream is None:
                frame = self._expose(prepared, cement, steel, number + 1000 * place)
            else:
                frame = stream.frame(
                    cement_line=cement, needle_line=steel, motions=motions, time=float(time), **self._matter()
                )
            shots.append(self._shot(frame, view, float(time)))
        phase = "cement" if name == "injection" else name
        loop = Acquisition(mode="pulsed", rate=self.rate, phase=phase, plane=PLANES[place], shots=tuple(shots))
        return self._described(
            loop, name, view, prepared, count, 1.0 if stream else filter_share(prepared.fluoroscope.temporal)
        )

    def _expose(self, prepared: FluoroView, cement: Image | None, steel: Image, number: int) -> Frame:
        return prepared.frame(
            cement_line=cement, needle_line=steel, seed=self.run.case.seed, number=number, **self._matter()
        )

    def _matter(self) -> dict[str, Any]:
        return {"cement": self.camera.cement, "replaced": MARROW}

    def _shot(self, frame: Frame, view: str, time: float) -> Shot:
        pose = carm(view, self.run.scene)
        return Shot(time=time, display16=frame.display16, pose=pose, dose=frame.dose, geometry=frame.geometry)

    def _described(
        self, loop: Acquisition, name: str, view: str, prepared: FluoroView, pulses: int, share: float
    ) -> XAPlane:
        machine = prepared.fluoroscope
        return XAPlane(
            acquisition=loop,
            name=name,
            view=view,
            opening=prepared.opening,
            pulses=pulses,
            pulse_share=share,
            grid=machine.scatter is not None and machine.scatter.grid,
            filters=(float(machine.aluminium), float(machine.copper)),
            focus=float(machine.focal_spot),
            pulse_width=float(machine.pulse_width or PULSE_WIDTH),
        )

    def _cement_paint(self, prepared: FluoroView) -> Callable[[float], tuple[Image, Image, None]]:
        """Paths through cement and steel [m] at a time: cement between two kept moments is interpolated."""
        run, steel = self.run, steel_path(prepared, self.run.scene.needles)
        kept: dict[int, Image] = {}

        def line(index: int) -> Image:
            if index not in kept:
                if len(kept) > 1:
                    kept.pop(min(kept))  # only two neighbours are ever needed at once
                time = float(run.times[index])
                kept[index] = self.camera.cement_line(prepared, run.cement_fraction(time), run.vein_cement(time))
            return kept[index]

        def paint(time: float) -> tuple[Image, Image, None]:
            before = run.index_at(time)
            after = min(before + 1, len(run.times) - 1)
            gap = float(run.times[after] - run.times[before])
            share = np.float32((time - run.times[before]) / gap if gap > 0 else 0.0)
            return line(before) * (1 - share) + line(after) * share, steel, None

        return paint

    def _needle_paint(self, prepared: FluoroView) -> Callable[[float], tuple[None, Image, Motions | None]]:
        needles = self.run.scene.needles
        starts = np.cumsum([0.0, *(needle.length for needle in needles)]) / NEEDLE_SPEED

        def paint(time: float) -> tuple[None, Image, Motions | None]:
            ways = [(time - start) * NEEDLE_SPEED for start in starts[:-1]]
            moving = [(needle, min(way, needle.length)) for needle, way in zip(needles, ways, strict=True) if way > 0]
            steel = steel_path(prepared, [n for n, _ in moving], [n.length - way for n, way in moving])
            motions = None
            if len(moving) == 1 and moving[0][1] < moving[0][0].length:  # beside one that stands, none is smeared
                needle = moving[0][0]
                motions = Motions(needle=NEEDLE_SPEED * (needle.tip - needle.entry) / needle.length)
            return None, steel, motions

        return paint
