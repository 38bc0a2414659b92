"""The CT room of a session: scans and shots with the needle in place, one table, one dose ledger."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.build import Scene
from vertebro.errors import CaseError
from vertebro.imaging import CTBody, CTField, CTLedger, CTShot, CTVolume, Scanner, ct_dose, ct_shots, shot_scanner
from vertebro.imaging.ct_shots import SHOT_THICKNESS
from vertebro.procedure import Needle
from vertebro.scans import FIELD, PIXELS, ct_stack, scene_body

SCAN_SPEED = 0.04  # m/s of a helical body scan


class CTSuite:
    """The CT room: planning scans, shots with the needle in place, control scans; table and dose are kept.

    Parameters
    ----------
    scene : Scene
    scanner : Scanner, optional
        Of scans; shots take its tube with little charge.
    """

    def __init__(self, scene: Scene, scanner: Scanner | None = None) -> None:
        self.scene = scene
        self.scanner = scanner or Scanner()
        self.needles: tuple[Needle, ...] = scene.needles
        self.table = 0.0
        self.ledger = CTLedger()
        self._layers = scene_body(scene).layers

    def body(
        self, cement_fraction: NDArray[np.float32] | None = None, veins: NDArray[np.floating] | None = None
    ) -> CTBody:
        """The patient as he lies now."""
        return scene_body(self.scene, cement_fraction, veins=veins, needles=self.needles, layers=self._layers)

    def feed(self, by: float) -> float:
        """Move the table by a length [m], positive towards the head; returns its place.

        Raises
        ------
        CaseError
            If the table would leave the patient's torso.
        """
        low, high = self.scene.anatomy.surround.grid.extent[:, 2]
        if not low <= self.table + by <= high:
            raise CaseError(
                "the table cannot go there",
                where="feed [m]",
                value=by,
                allowed=f"{low - self.table:.3f} to {high - self.table:.3f}",
            )
        self.table += by
        return self.table

    def shots(
        self,
        cement_fraction: NDArray[np.float32] | None = None,
        *,
        veins: NDArray[np.floating] | None = None,
        slices: int = 1,
        thickness: float = SHOT_THICKNESS,
        mas: float | None = None,
        centre: tuple[float, float] = (0.0, 0.0),
        width: float = FIELD,
        pixels: int = PIXELS,
        phase: str = "needle",
    ) -> CTShot:
        """A single shot, or one of three slices, where the table stands; booked.

        Parameters
        ----------
        cement_fraction : (nr, na, ns) array, optional
        veins : (m,) array, optional [m³]
            Cement in each segment of the veins, to show what lies beyond the simulation grid.
        slices : int
            1 or 3.
        thickness : float [m]
        mas : float [mAs], optional
        centre : (2,) float [m]
            Right and anterior coordinate of the picture's middle.
        width : float [m]
        pixels : int
        phase : str
            For the ledger.

        Raises
        ------
        CaseError, GeometryError
            If a setting is impossible.
        """
        view = CTField(centre=(*centre, self.table), width=width, pixels=pixels, thickness=float(thickness))
        scanner = shot_scanner(self.scanner) if mas is None else shot_scanner(self.scanner, mas=mas)
        shot = ct_shots(
            self.body(cement_fraction, veins),
            view,
            slices=slices,
            scanner=scanner,
            seed=self.scene.case.seed,
            number=len(self.ledger.scans),
        )
        self.ledger.add(shot.dose, phase=phase, table=self.table)
        return shot

    def scan(
        self,
        cement_fraction: NDArray[np.float32] | None = None,
        *,
        veins: NDArray[np.floating] | None = None,
        phase: str = "control",
        **settings: Any,
    ) -> CTVolume:
        """A whole level (`ct_stack`, whose settings it takes); booked, and the table ends where it was."""
        number = len(self.ledger.scans)
        volume = ct_stack(
            self.scene,
            cement_fraction,
            scanner=self.scanner,
            body=self.body(cement_fraction, veins),
            number=number,
            **settings,
        )
        length = volume.grid.shape[2] * volume.grid.spacing[2]
        middle = float(volume.grid.extent[:, 2].mean())
        dose = ct_dose(kvp=self.scanner.kvp, mas=self.scanner.mas, length=length)
        self.ledger.add(dose, phase=phase, table=middle, seconds=max(0.5, length / SCAN_SPEED))
        return volume
