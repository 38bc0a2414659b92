"""What an operator could perceive: pictures from the C-arm and the CT of a scene, apart from the full state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.aim import aim
from vertebro.build import Scene
from vertebro.drainage import cement_beyond
from vertebro.imaging import (
    CArm,
    Fluoroscope,
    FluoroView,
    Frame,
    Spotter,
    Visibility,
    covered_field,
    needle_path,
    tissue_layers,
)
from vertebro.imaging.display import Window
from vertebro.imaging.projector import Quality
from vertebro.procedure import Needle
from vertebro.scans import MARROW, cement_matter


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One stored fluoroscopy frame.

    Attributes
    ----------
    name : str
        File stem, sorts by time.
    time : float [s]
        Schedule time.
    view : str
        A name of `vertebro.aim.VIEWS` or ``"<orbital>,<cranial>"`` in degrees.
    display16 : (rows, cols) uint16 array
        Display values, 0 black to 65535 white.
    facts : dict
        Geometry, tube and dose as plain JSON values.
    """

    name: str
    time: float
    view: str
    display16: NDArray[np.uint16]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def display8(self) -> NDArray[np.uint8]:
        """The same picture in 8 bits."""
        return (self.display16 >> 8).astype(np.uint8)


class Camera:
    """The C-arm in a scene: takes pictures of the anatomy, the needles and the cement of any moment.

    Tissue stands still, so each view is projected once and kept.

    Parameters
    ----------
    scene : Scene
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.cement = cement_matter(scene.cement)
        wish = scene.case.imaging
        self.fluoroscope = Fluoroscope(kvp=wish.tube_voltage)
        self.needles_shown = scene.needles
        self._views: dict[str, FluoroView] = {}
        self._needles: dict[str, NDArray[np.float32]] = {}
        self._spotters: dict[str, Spotter] = {}
        self._layers: Any = None

    def again(self, scene: Scene) -> Camera:
        """A camera for the same anatomy in another scene; what depends on the anatomy alone is kept."""
        other = Camera(scene)
        other._layers = self._layers
        return other

    def shoot(
        self,
        view: str,
        time: float,
        cement_fraction: NDArray[np.float32],
        *,
        veins: NDArray[np.floating] | None = None,
        number: int = 0,
    ) -> Picture:
        """One frame.

        Parameters
        ----------
        view : str
            A name of `vertebro.aim.VIEWS` or ``"<orbital>,<cranial>"`` in degrees.
        time : float [s]
            Schedule time, for the record.
        cement_fraction : (nr, na, ns) array
            Volume share of cement in each voxel.
        veins : (m,) array, optional [m³]
            Cement in each segment of the veins, to show what lies beyond the voxels.
        number : int
            Of the frame; fixes the noise together with the case's seed.

        Raises
        ------
        CaseError
            If the view is unknown.
        """
        prepared = self.view(view)
        frame = prepared.frame(
            cement_line=self.cement_line(prepared, cement_fraction, veins),
            needle_line=self._needles[view],
            cement=self.cement,
            replaced=MARROW,
            seed=self.scene.case.seed,
            number=number,
        )
        dose = frame.dose
        facts = {
            "kvp": dose.kvp,
            "mas": dose.mas,
            "reference_kerma_ugy": dose.reference_air_kerma * 1e6,
            "dap_ugy_m2": dose.dose_area_product * 1e6,
            "pixel_at_isocentre_mm": self.scene.case.imaging.field / self.scene.case.imaging.rows * 1e3,
            "number": number,
        }
        return Picture(
            name=f"{number:03d}-{view.replace(',', '_')}", time=time, view=view, display16=frame.display16, facts=facts
        )

    def sees(
        self,
        view: str,
        leak_fraction: NDArray[np.float32],
        cement_fraction: NDArray[np.float32],
        *,
        veins: NDArray[np.floating] | None = None,
        leaked_veins: NDArray[np.floating] | None = None,
    ) -> bool:
        """Whether the leaked part of the cement can be told from the rest of the picture; see `look`."""
        return self.look(view, leak_fraction, cement_fraction, veins=veins, leaked_veins=leaked_veins).visible

    def look(
        self,
        view: str,
        leak_fraction: NDArray[np.float32],
        cement_fraction: NDArray[np.float32],
        *,
        veins: NDArray[np.floating] | None = None,
        leaked_veins: NDArray[np.floating] | None = None,
        frame: Frame | None = None,
        noise_share: float = 1.0,
    ) -> Visibility:
        """How well the leaked part of the cement is seen in a frame (Rose's criterion, clutter of the anatomy).

        Parameters
        ----------
        view : str
        leak_fraction, cement_fraction : (nr, na, ns) arrays
            Volume share of the leak in question, and of all cement.
        veins, leaked_veins : (m,) arrays, optional [m³]
            Cement in each segment of the veins, all of it and that of the leak: what lies beyond the voxels.
        frame : Frame, optional
            The picture as shown, for its contrast-to-noise ratio.
        noise_share : float
            Variance over that of one exposure; see `Spotter.look`.
        """
        prepared = self.view(view)
        others = veins if veins is None or leaked_veins is None else np.asarray(veins) - leaked_veins
        if view not in self._spotters:
            self._spotters[view] = Spotter(prepared)
        return self._spotters[view].look(
            self.cement_line(prepared, leak_fraction, leaked_veins),
            cement_line=self.cement_line(prepared, cement_fraction - leak_fraction, others),
            needle_line=self._needles[view],
            cement=self.cement,
            frame=frame,
            noise_share=noise_share,
        )

    def view(self, name: str) -> FluoroView:
        """The prepared view of that name; see `shoot`."""
        if name not in self._views:
            prepared = self.prepare(carm(name, self.scene))
            self._views[name], self._needles[name] = prepared, steel_path(prepared, self.needles_shown)
        return self._views[name]

    def prepare(
        self,
        pose: CArm,
        *,
        opening: tuple[int, int, int, int] | None = None,
        quality: Quality = "exact",
        window: Window | None = None,
    ) -> FluoroView:
        """A view of any pose, collimated to what the anatomy covers; not kept.

        Parameters
        ----------
        pose : CArm
        opening : (row, row, col, col) of int, optional
            The operator's own collimation, within that.
        quality : {"exact", "preview"}
        window : Window, optional
            Keep this display window, as when the C-arm has just stopped; default: a new one.
        """
        vertebra = self.scene.anatomy
        if self._layers is None:
            self._layers = tissue_layers(
                vertebra.hu,
                vertebra.grid,
                surround_hu=vertebra.surround.hu,
                surround_grid=vertebra.surround.grid,
            )
        covered = covered_field(pose.geometry, vertebra.surround.grid)
        shutters = _within(covered, opening)
        return self.fluoroscope.prepare(pose, self._layers, collimation=shutters, quality=quality, window=window)

    def cement_line(
        self, prepared: FluoroView, cement_fraction: NDArray[np.float32], veins: NDArray[np.floating] | None = None
    ) -> NDArray[np.float32]:
        """(rows, cols) path through cement [m] in a view, that in veins beyond the voxels included; see `shoot`."""
        inside = prepared.cement_line(cement_fraction, self.scene.anatomy.grid)
        return np.asarray(inside + self._beyond(prepared, veins), np.float32)

    def _beyond(self, prepared: FluoroView, veins: NDArray[np.floating] | None) -> NDArray[np.float32] | float:
        """Path through cement [m] in veins outside the simulation grid."""
        beyond = cement_beyond(self.scene.anatomy, veins)
        return 0.0 if beyond is None else prepared.cement_line(*beyond)

    def show_needles(self, needles: tuple[Needle, ...]) -> None:
        """From now on the pictures show these needles (one was pulled back or taken out)."""
        self.needles_shown = needles
        self._needles = {name: steel_path(view, needles) for name, view in self._views.items()}


def _within(covered: tuple[int, int, int, int], opening: tuple[int, int, int, int] | None) -> tuple[int, int, int, int]:
    """The part of an opening that the anatomy covers."""
    if opening is None:
        return covered
    top, bottom, left, right = covered
    up, down, west, east = opening
    return max(top, up), min(bottom, down), max(left, west), min(right, east)


def steel_path(
    prepared: FluoroView, needles: Sequence[Needle], outside: Sequence[float] | None = None
) -> NDArray[np.float32]:
    """(rows, cols) path through the steel of needles [m], each drawn back along its axis by a length [m]."""
    steel = np.zeros((prepared.geometry.rows, prepared.geometry.cols), np.float32)
    for needle, back in zip(needles, outside or [0.0] * len(needles), strict=True):
        shift = back * (needle.entry - needle.tip) / needle.length
        needle_path(
            prepared.geometry,
            needle.entry + shift,
            needle.tip + shift,
            outer_diameter=needle.outer_diameter,
            inner_diameter=needle.inner_diameter,
            hub_length=needle.cannula_length - needle.length,
            out=steel,
        )
    return steel


def carm(view: str, scene: Scene) -> CArm:
    """The C-arm pose of a view's name, see `aim`."""
    wish = scene.case.imaging
    return aim(view, scene.anatomy, rows=wish.rows, field=wish.field)
