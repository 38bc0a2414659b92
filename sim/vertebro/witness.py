"""What a run keeps of its course: events, curves, fields over time, pictures and which leaks these show."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.build import Scene, risk_watch
from vertebro.drainage import cement_in_voxels, vein_raster
from vertebro.flow import FlowState
from vertebro.leakage import LeakEvent, LeakMonitor
from vertebro.observe import Camera, Picture
from vertebro.summary import plain_json


class Witness:
    """Writes down; changes nothing.

    Parameters
    ----------
    scene : Scene
    state : FlowState
        Of the run, changed in place by it.
    monitor : LeakMonitor
    camera : Camera, optional
    veins : (m,) float array [m³], optional
        Cement in each segment of the veins, changed in place by the run.

    Attributes
    ----------
    risks : RiskWatch
    events : list of dict
    history : list of dict of float
        One row a round.
    times, saturation : list
        Of the fields kept, [s] and (nr, na, ns) float32.
    veins : list of (m,) float32 array [m³]
        Cement in the veins at the same times.
    pictures : list of Picture
    visible : dict
        Leak key to the time [s] of the first frame that shows it.
    pressure : (nr, na, ns) float32 array [Pa]
        When the bone's pressure was highest.
    """

    def __init__(
        self,
        scene: Scene,
        state: FlowState,
        monitor: LeakMonitor,
        camera: Camera | None,
        veins: NDArray[np.float64] | None = None,
    ) -> None:
        self.scene, self.state, self.monitor, self.camera = scene, state, monitor, camera
        self.views = scene.case.imaging.views
        self.risks = risk_watch(scene)
        self.events: list[dict[str, Any]] = []
        self.history: list[dict[str, float]] = []
        self.times: list[float] = []
        self.saturation: list[NDArray[np.float32]] = []
        self.veins: list[NDArray[np.float32]] = []
        self._in_veins = np.zeros(0) if veins is None else veins
        self.pictures: list[Picture] = []
        self.visible: dict[int, float] = {}
        self.pressure = np.zeros(scene.anatomy.grid.shape, np.float32)
        self._peak = 0.0

    def tell(self, event: str, /, **facts: Any) -> dict[str, Any]:
        """Note an event, now or at `at_s`; returns it."""
        time = facts.pop("at_s", self.state.time)
        self.events.append(plain_json({"time_s": round(time, 6), "event": event, **facts}))
        return self.events[-1]

    def watch(self, cement: NDArray[np.float64]) -> None:
        """Look at the risks, given the cement [m³] in the voxels' pores; a limit crossed is an event."""
        present = cement_in_voxels(self.scene.anatomy, cement, self._in_veins)
        for sign in self.risks.look(self.state.time, present, self.monitor.embolic_volume):
            facts = sign.to_dict()
            facts.pop("t_s")
            self.tell("warning sign", **facts)

    def note(self, bone: float, **row: float) -> None:
        """Add a round to the curves; `bone` is the pressure [Pa] at the needle."""
        volumes = self.monitor.compartment_volumes()
        self.history.append(
            {
                "time_s": self.state.time,
                "volume_injected_m3": self.state.injected_volume,
                "bone_pressure_pa": bone,
                "volume_in_body_m3": sum(volumes.get(name, 0.0) for name in ("body", "arch")),
                "volume_leaked_m3": self.monitor.leaked_volume,
                "volume_embolic_m3": self.monitor.embolic_volume,
                **self.risks.row(),
                **{f"cement_{name.removeprefix('outside: ')}_m3".replace(" ", "_"): v for name, v in volumes.items()},
                **row,
            }
        )
        if bone > self._peak:
            self._peak = bone
            self.pressure = self.state.pressure.astype(np.float32)

    def curves(self) -> dict[str, NDArray[np.float64]]:
        """The history by column."""
        names = list(self.history[0]) if self.history else []
        return {name: np.array([row[name] for row in self.history]) for name in names}

    def keep_fields(self, spacing: float = 0.0) -> None:
        """Keep the fill of this moment, unless one younger than `spacing` seconds is kept."""
        if self.times and self.state.time - self.times[-1] < max(spacing - 1e-6, 1e-12):
            return
        self.times.append(self.state.time)
        self.saturation.append(self.state.saturation.astype(np.float32))
        self.veins.append(self._in_veins.astype(np.float32))

    def shoot(self) -> None:
        """One frame per view; the fields of that moment are kept too, so `shoot` can repeat it."""
        if self.camera is None or (self.pictures and self.pictures[-1].time >= self.state.time):
            return
        self.keep_fields()
        fraction, veins = self.scene.cement_fraction(self.state.saturation, self._in_veins), self._in_veins
        for view in self.views:
            number = len(self.pictures)
            self.pictures.append(self.camera.shoot(view, self.state.time, fraction, veins=veins, number=number))
        self._find_visible(self.camera, fraction)

    def _find_visible(self, camera: Camera, fraction: NDArray[np.float32]) -> None:
        """Note the leaks that the frames just taken show for the first time."""
        for leak in self.monitor.leaks():
            if leak.key in self.visible:
                continue
            leaked, veins = self.leaked(leak, fraction), self.leaked_veins(leak)
            if not leaked.any() and not veins.any():
                continue
            for view in self.views:
                if camera.sees(view, leaked, fraction, veins=self._in_veins, leaked_veins=veins):
                    self.visible[leak.key] = self.state.time
                    self.tell("leak visible", kind=leak.kind.value, compartment=leak.compartment, view=view)
                    break

    def leaked(self, leak: LeakEvent, fraction: NDArray[np.float32]) -> NDArray[np.float32]:
        """(nr, na, ns) volume share of one leak's cement in each voxel, of all cement `fraction`."""
        cells, anatomy = tuple(self.monitor.cells(leak).T), self.scene.anatomy
        leaked = np.zeros_like(fraction)
        leaked[cells] = fraction[cells]
        if anatomy.network is not None:
            raster = vein_raster(anatomy.network, anatomy.grid)
            leaked += raster.fraction(self._in_veins, self.monitor.segments(leak))
        return np.minimum(leaked, fraction)

    def leaked_veins(self, leak: LeakEvent) -> NDArray[np.float64]:
        """(m,) one leak's cement [m³] in each segment of the veins, also beyond the voxels."""
        own = np.isin(np.arange(len(self._in_veins)), self.monitor.segments(leak))
        return np.where(own, self._in_veins, 0.0)
