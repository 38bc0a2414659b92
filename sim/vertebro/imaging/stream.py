"""A running fluoroscopy at a fixed pose: what one picture leaves for the next.

A single exposure is `FluoroView.frame`. A stream remembers the recursive filter's last picture, so its noise is lower
than that of one pulse and what moves leaves a ghost.

>>> import numpy as np
>>> from vertebro.grid import VoxelGrid
>>> from vertebro.imaging import CArm, Fluoroscope, tissue_layers
>>> grid = VoxelGrid.around([-0.05] * 3, [0.05] * 3, 5e-3)
>>> view = Fluoroscope().prepare(CArm.ap(rows=64, cols=64, pitch=1e-3), tissue_layers(np.zeros(grid.shape), grid))
>>> stream = Stream(view)
>>> [stream.frame().number for _ in range(3)]
[0, 1, 2]
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError
from vertebro.imaging.display import to_bytes, to_grey
from vertebro.imaging.fluoro_view import FluoroView, Frame
from vertebro.materials.attenuation import Material

Image = NDArray[np.float32]


class Stream:
    """Pictures of one pose in a row.

    Parameters
    ----------
    view : FluoroView
    seed : int
        Of the run; the same seed, frame numbers and paths give the same pictures.

    Raises
    ------
    CaseError
        If a time runs backwards.
    """

    def __init__(self, view: FluoroView, *, seed: int = 0) -> None:
        self.view = view
        self.seed = seed
        self.number = 0
        self.time = 0.0
        self._shown: Image | None = None

    def frame(
        self,
        *,
        cement_line: Image | None = None,
        needle_line: Image | None = None,
        contrast_line: Image | None = None,
        cement: Material | None = None,
        replaced: str = "yellow marrow",
        time: float | None = None,
    ) -> Frame:
        """Shoot the next picture.

        Parameters
        ----------
        cement_line, needle_line, contrast_line : (rows, cols) float32 array [m], optional
            Paths through cement, steel and contrast agent.
        cement : Material, optional
        replaced : str
            Material that made room for the cement.
        time : float [s], optional
            Of this picture; default: 1/15 s after the one before.

        Raises
        ------
        CaseError
            If `time` lies before the last picture's.
        DataError
            If a path is not finite or has another shape.
        """
        now = self._clock(time)
        pulse = self.view.frame(
            cement_line=cement_line,
            needle_line=needle_line,
            contrast_line=contrast_line,
            cement=cement,
            replaced=replaced,
            seed=self.seed,
            number=self.number,
        )
        share = self.view.fluoroscope.temporal
        if self._shown is None or share is None:
            shown = pulse.signal
        else:
            shown = self._shown + np.float32(share) * (pulse.signal - self._shown)
        self._shown, self.time, self.number = shown, now, self.number + 1
        grey = to_grey(shown, self.view.window, self.view.fluoroscope.display)
        grey[~self.view.opening] = 0
        return replace(pulse, signal=shown, display16=to_bytes(grey, bits=16).astype(np.uint16, copy=False))

    def _clock(self, time: float | None) -> float:
        if time is None:
            return self.time + 1 / 15 if self.number else 0.0
        if self.number and not time >= self.time:
            raise CaseError("a picture before the last one", where="time [s]", value=time, allowed=f">= {self.time}")
        return float(time)
