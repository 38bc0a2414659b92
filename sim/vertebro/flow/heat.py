"""Temperature, conversion and cure age of the injected fluid, beside the flow: carried, conducted, cured.

``(ρc) ∂T/∂t + Σ ρc_f u_f·∇T = ∇·(k∇T) + H ∂(cement·p)/∂t - perfusion·(T - T_body)`` on the flow's grid, operator by
operator in ticks of a few seconds or less:

- *carry*: the volumes that crossed each face are found from the change of the fill and the direction of the flow, so
  that they explain that change exactly; heat, conversion and age then follow them by implicit upwind transport in one
  pass from the needle outwards, for any tick.
- *conduct*: the stages of a Runge-Kutta-Legendre method (RKL1, Meyer et al. 2012): explicit, conservative, free of
  new extremes; s stages span s(s+1)/2 explicit steps.
- *cure*: the log-logistic law, exact at frozen temperature, in local sub-steps that heat by a few kelvin at most.

Every operator conserves heat to round-off; `Ledger` keeps the books. Work is limited to a box that grows with the warm
region.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import CaseError
from vertebro.flow import kernels_heat
from vertebro.flow.carriage import Carriage, Movement, check_share, padded
from vertebro.flow.exposure import Exposure
from vertebro.flow.heat_problem import HeatProblem
from vertebro.flow.team import Team, usual_size
from vertebro.flow.window import bounding_box
from vertebro.materials.curing import conversion_loglogistic
from vertebro.materials.rheology import GAS_CONSTANT

Float = NDArray[np.float64]
TICK = 5.0  # s, between exchanges of the operators
RISE = 4.0  # K, largest of a cure sub-step
TICK_RISE = 20.0  # K, largest of a tick: heat crosses less than a voxel meanwhile
CALM_TICK = 20.0  # s, the longest tick long after flow and cure have ended
CALMING = 0.1  # longest tick over the time since then, or since the start
CALM = 0.05  # K/s, of the fastest voxel
PULSE = 10.0  # s, between the coolings by blood, whose time constant is minutes
SHORTEST = 0.05  # s, of a tick
SAFE = 0.95  # of the limit of explicit conduction
COLD = 0.05  # K, warmth that does not matter
TEPID = 0.1  # K, warmth that the displaced fluid need not be followed for
SMALL = 600_000  # cells below which a second thread costs more than it brings
SLACK = 3  # cells that the box grows by at least


@dataclass(kw_only=True, slots=True)
class Ledger:
    """Heat above body temperature [J] since the start.

    Attributes
    ----------
    initial, injected, reaction : float
        Came in: with the first state, with the fluid (negative when it is cold), from the cure.
    carried, conducted, perfused : float
        Went out: with fluid that left, through the grid's edges, with blood.
    """

    initial: float = 0.0
    injected: float = 0.0
    reaction: float = 0.0
    carried: float = 0.0
    conducted: float = 0.0
    perfused: float = 0.0

    @property
    def expected(self) -> float:
        """What must be stored now [J]."""
        return self.initial + self.injected + self.reaction - self.carried - self.conducted - self.perfused

    @property
    def turnover(self) -> float:
        """Sum of all amounts [J], to judge an error by."""
        parts = (self.initial, self.injected, self.reaction, self.carried, self.conducted, self.perfused)
        return sum(abs(part) for part in parts)


class HeatField:
    """Temperature and cure of one problem, advanced beside the flow.

    Parameters
    ----------
    problem : HeatProblem
    saturation : (…) array, optional
        Fill at the start.
    temperature : float or (…) array, optional [K]
        At the start, between 0 and 200 °C; the body's by default.
    cure_age : float [s]
        Of the fluid that is there at the start.
    exposure : Exposure, optional
        Notes what each voxel lives through.
    threads : int, optional

    Attributes
    ----------
    time : float [s]
    ledger : Ledger

    Examples
    --------
    >>> from vertebro.flow.heat_problem import Curing, HeatProblem, ThermalFluid
    >>> from vertebro.grid import VoxelGrid
    >>> cement = ThermalFluid(heat_capacity=1.875e6, conductivity=0.18)
    >>> block = HeatProblem(grid=VoxelGrid(shape=(2, 2, 2), spacing=(1e-3,) * 3), pore_volume=1e-9,
    ...                     heat_capacity=1.875e6, conductivity=0.18, perfusion=0.0, injected=cement, displaced=cement,
    ...                     curing=Curing(heat=1.55e8, set_time=720.0, shape=9.2, activation_energy=44e3,
    ...                                   reference_temperature=296.15), edges="insulated")
    >>> heat = HeatField(block, saturation=1.0)
    >>> heat.advance(600.0)
    >>> round(float(heat.temperature.max()) - 273.15, 1)  # 37 °C and the adiabatic rise of 82.7 K
    119.7
    """

    def __init__(
        self,
        problem: HeatProblem,
        *,
        saturation: ArrayLike = 0.0,
        temperature: ArrayLike | None = None,
        cure_age: float = 0.0,
        exposure: Exposure | None = None,
        threads: int | None = None,
    ) -> None:
        self.problem, self.exposure = problem, exposure
        self.time, self.ledger = 0.0, Ledger()
        shape, law = tuple(n + 2 for n in problem.grid.shape), problem.curing
        self._strides = np.array([shape[1] * shape[2], shape[2], 1], np.int64)
        self._theta, self._spare, self._blood = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self._fields, self._g = np.zeros((5, *shape)), np.zeros((3, *shape), np.float32)
        self._conversion, self._age, self._volume, self._slim, self._latent = self._fields
        self._pore, self._k = padded(problem.pore_volume), padded(problem.conductivity)
        self._perfused, self._unperfused = bool(np.any(problem.perfusion)), 0.0
        self._blood_dry = padded(problem.perfusion * problem.grid.voxel_volume)
        self._per_pore = np.divide(1.0, self._pore, out=np.zeros(shape), where=self._pore > 0)
        self._carriage = Carriage(problem)
        warm = law.activation_energy / GAS_CONSTANT
        self._law = np.array(
            [law.heat, law.set_time, law.shape, warm, law.reference_temperature, law.boiling_point, law.vapour_heat]
        )
        self._team = Team(threads or (usual_size() if self._theta.size > SMALL else 1))
        self._low, self._high = np.zeros(3, np.int64), np.zeros(3, np.int64)
        self._step, self._tick, self._calm = math.inf, 1.0, 0.0
        self._cells, self._diffusivity = np.zeros(0, np.int64), 0.0
        self._open_edge = self._warm_edge = False
        self._begin(np.broadcast_to(np.asarray(saturation, float), problem.grid.shape), temperature, cure_age)

    def _begin(self, saturation: Float, temperature: ArrayLike | None, cure_age: float) -> None:
        problem, shape = self.problem, self.problem.grid.shape
        body = problem.body_temperature
        start = np.broadcast_to(np.asarray(body if temperature is None else temperature, float), shape)
        if not np.all((start >= 273.15) & (start <= 473.15)):
            bad = start[~((start >= 273.15) & (start <= 473.15))]
            raise CaseError(
                "impossible temperature", where="temperature", value=float(bad[0]), allowed="273.15 to 473.15 K"
            )
        check_share(saturation, "saturation")
        inner = (slice(1, -1),) * 3
        self._theta[inner] = start - body
        self._volume[inner] = saturation * problem.pore_volume
        law = problem.curing
        self._age[self._volume > 0] = cure_age
        self._conversion[self._volume > 0] = conversion_loglogistic(cure_age, set_time=law.set_time, shape=law.shape)
        capacity = problem.heat_capacity * problem.grid.voxel_volume
        self._slim[inner] = 1.0 / (capacity + self._replaced() * self._volume[inner])
        self._spare[...] = self._theta
        self.ledger.initial = self.stored
        self._ready(self._volume, TICK)

    def _replaced(self) -> float:
        """Heat capacity gained per injected volume [J/(m³·K)]."""
        return self.problem.injected.heat_capacity - self.problem.displaced.heat_capacity

    # what there is ----------------------------------------------------------------------------------------------

    @property
    def temperature(self) -> Float:
        """(…) array [K]."""
        return self._theta[1:-1, 1:-1, 1:-1] + self.problem.body_temperature

    @property
    def conversion(self) -> Float:
        """(…) array: converted share of the injected fluid's monomer, 0 where there is none."""
        return self._conversion[1:-1, 1:-1, 1:-1]

    @property
    def cure_age(self) -> Float:
        """(…) array [s]: age of the injected fluid on its own cure clock, 0 where there is none."""
        return self._age[1:-1, 1:-1, 1:-1]

    @property
    def volume(self) -> Float:
        """(…) array [m³]: injected fluid in each voxel."""
        return self._volume[1:-1, 1:-1, 1:-1]

    @property
    def cured(self) -> float:
        """Converted share of all monomer there is; 0 without injected fluid."""
        volume = self._volume.reshape(-1)[self._cells]
        total = float(volume.sum())
        # no dot product: it would wake the threads of the linear algebra library
        return float(np.sum(volume * self._conversion.reshape(-1)[self._cells])) / total if total > 0.0 else 0.0

    def place(self, where: NDArray[np.bool_]) -> NDArray[np.int64]:
        """A mask of the grid as indices for `highest`."""
        return np.flatnonzero(np.pad(where, 1))

    def filled(self, share: float) -> NDArray[np.int64]:
        """Cells of which at least a share is injected fluid, as indices for `highest`."""
        least = share * self.problem.grid.voxel_volume
        return self._cells[self._volume.reshape(-1)[self._cells] >= least]

    def highest(self, place: NDArray[np.int64]) -> float:
        """Highest temperature [K] in a place now; the body's if the place is empty."""
        found = self._theta.reshape(-1)[place]
        return self.problem.body_temperature + (float(found.max()) if found.size else 0.0)

    @property
    def stored(self) -> float:
        """Heat above body temperature now [J], that of vapour included."""
        inner = (slice(1, -1),) * 3
        return float(np.sum(self._theta[inner] / self._slim[inner] + self._latent[inner]))

    @property
    def balance_error(self) -> float:
        """|stored - expected| over the turnover of heat."""
        return abs(self.stored - self.ledger.expected) / max(self.ledger.turnover, 1e-300)

    # time -------------------------------------------------------------------------------------------------------

    def advance(self, dt: float, movement: Movement | None = None) -> None:
        """Advance by `dt` seconds; `movement` is what flowed meanwhile.

        Raises
        ------
        CaseError
            If `dt` is negative or not finite, or the fill no share.
        """
        if not (math.isfinite(dt) and dt >= 0):
            raise CaseError("time step", where="dt", value=dt, allowed=">= 0 s, finite")
        target, moved = self._volume, False
        if movement is not None and dt > 0:
            fill = padded(movement.saturation)
            target = fill * self._pore
            warm = (target > 0) | (self._volume > 0) | (np.abs(self._theta) > TEPID)
            moved = self._carriage.load(movement, fill, target - self._volume, warm)
        self._ready(target, dt)
        books, done = np.zeros(3), 0.0
        while dt - done > 1e-12 * dt:
            tick = min(TICK if moved else self._tick, dt - done)
            if moved and movement is not None:
                self._calm = min(self._calm, TICK / CALMING)
                self._carry(movement, done, tick / dt, books)
            done += tick
            if np.all(self._high):
                self._warm(tick, books, done >= dt * (1.0 - 1e-12))
        self.time += dt
        self.ledger.injected += books[0]
        self.ledger.carried += books[1]
        self.ledger.reaction += books[2]

    def _carry(self, movement: Movement, done: float, part: float, books: Float) -> None:
        """Carry the share `part` of the round's volumes, `done` seconds after it began."""
        problem, law, way = self.problem, self.problem.curing, self._carriage
        age = movement.cure_age + movement.cure_speed * done
        conversion = float(conversion_loglogistic(age, set_time=law.set_time, shape=law.shape))
        hot = movement.temperature - problem.body_temperature
        inlet = np.array([hot, conversion, age, problem.injected.heat_capacity, problem.displaced.heat_capacity])
        kernels_heat.transport_heat(
            way.order,
            way.strides,
            way.thick,
            way.thin,
            way.supply,
            way.drain_thick,
            way.drain_thin,
            inlet,
            part,
            self._theta.reshape(-1),
            self._fields.reshape(5, -1),
            books,
        )

    def _warm(self, tick: float, books: Float, last: bool) -> None:
        """Conduct, cool by blood, cure and note one tick."""
        body, low, high = self.problem.body_temperature, self._low, self._high
        self._conduct(tick)
        self._unperfused += tick
        if self._perfused and (last or self._unperfused >= PULSE):
            flat = (self._theta.reshape(-1), self._slim.reshape(-1), self._blood.reshape(-1))
            self.ledger.perfused += kernels_heat.perfuse(*flat, self._unperfused, self._strides, low, high)
            self._unperfused = 0.0
        rise = kernels_heat.cure(
            self._cells, self._theta.reshape(-1), self._fields.reshape(5, -1), self._law, body, tick, RISE, books
        )
        if self.exposure is not None:
            self.exposure.note(self._theta, body, tick, low, high, last)
        wanted = tick * TICK_RISE / max(rise, 1e-9)
        busy = TICK / CALMING
        self._calm = busy if rise > CALM * tick else self._calm + tick
        longest = max(1.0, min(CALM_TICK, CALMING * self._calm))
        self._tick = min(longest, max(SHORTEST, min(2.0 * tick, wanted)))

    def _conduct(self, tick: float) -> None:
        """Conduct for one tick in as few Runge-Kutta-Legendre stages as are stable."""
        stages = math.ceil(0.5 * (math.sqrt(1.0 + 8.0 * tick / self._step) - 1.0) - 1e-9)
        stages = max(stages, 1)
        unit = 2.0 * tick / (stages * (stages + 1))
        left = [0.0, 0.0]
        for j in range(1, stages + 1):
            reach, old = unit * (2 * j - 1) / j, (1 - j) / j
            flow = kernels_heat.leaving(self._theta, self._g, self._low, self._high) if self._open_edge else 0.0
            left = [left[1], old * left[0] + (1.0 - old) * left[1] + reach * flow]
            self._stage(reach, old)
        self.ledger.conducted += left[1]

    def _stage(self, dt: float, old: float) -> None:
        low, high, theta, spare = self._low, self._high, self._theta, self._spare
        flat = (theta.reshape(-1), spare.reshape(-1), self._g.reshape(3, -1), self._slim.reshape(-1))
        self._team.share(
            int(low[0]),
            int(high[0]),
            lambda a, b, _: kernels_heat.conduct(*flat, dt, old, self._strides, low, high, a, b),
        )
        self._theta, self._spare = spare, theta

    # the box ----------------------------------------------------------------------------------------------------

    def _ready(self, target: Float, dt: float) -> None:
        """Grow the box around what is warm, or will hold injected fluid, and renew what depends on the fill."""
        wet = (target > 0) | (self._volume > 0)
        live = wet | (np.abs(self._theta) > COLD)
        if not live.any():
            return
        low, high = bounding_box(live)
        # an edge that nothing warm has reached stays closed: no books to keep
        warm_edge = bool(np.any(low <= 1) or np.any(high >= self._last()))
        reach = np.ceil(np.sqrt(2.0 * self._fastest() * max(dt, TICK)) / np.asarray(self.problem.grid.spacing))
        low, high = low - reach.astype(np.int64) - 1, high + reach.astype(np.int64) + 1
        grown = bool(np.any(np.maximum(low, 1) < self._low) or np.any(np.minimum(high, self._last()) > self._high))
        if grown or not np.all(self._high):
            first = not np.all(self._high)
            low, high = np.maximum(low - SLACK, 1), np.minimum(high + SLACK, self._last())
            self._low = low if first else np.minimum(low, self._low)
            self._high = high if first else np.maximum(high, self._high)
        opened = warm_edge and not self._warm_edge
        self._warm_edge = self._warm_edge or warm_edge
        if grown or opened or target is not self._volume or not np.isfinite(self._step):
            self._cells = np.flatnonzero(wet)
            self._assemble(target)

    def _last(self) -> NDArray[np.int64]:
        return np.asarray(self.problem.grid.shape, np.int64) + 1

    def _fastest(self) -> float:
        """Largest diffusivity [m²/s] of the dry body."""
        if self._diffusivity == 0.0:
            self._diffusivity = float(np.max(self.problem.conductivity / self.problem.heat_capacity))
        return self._diffusivity

    def _assemble(self, target: Float) -> None:
        """Face conductances [W/K], blood flow [W/K] and the longest stable step for an injected volume."""
        problem, h = self.problem, np.asarray(self.problem.grid.spacing)
        volume, scale = problem.grid.voxel_volume, problem.grid.voxel_volume / h**2
        g, box = self._g.reshape(3, -1), (self._strides, self._low, self._high)
        more = (problem.injected.conductivity - problem.displaced.conductivity) / volume
        kernels_heat.link(self._k.reshape(-1), target.reshape(-1), more, scale, *box, g)
        open_edges = [self._edge(axis, target, more, scale[axis]) for axis in range(3)]
        self._open_edge = any(open_edges)
        if self._perfused:
            inside = tuple(slice(a, b) for a, b in zip(self._low, self._high, strict=True))
            np.multiply(self._blood_dry[inside], 1.0 - target[inside] * self._per_pore[inside], out=self._blood[inside])
        gained = (target - self._volume).reshape(-1)
        worst = kernels_heat.stiffest(g, self._slim.reshape(-1), gained, self._replaced(), *box)
        self._step = SAFE / max(worst, 1e-300)

    def _edge(self, axis: int, target: Float, more: float, scale: float) -> bool:
        """Write the conductances to the outside of the grid; whether the box reaches an edge that conducts."""
        if self.problem.edges[axis] != "body" or not self._warm_edge:
            return False
        side: tuple[Any, ...] = tuple(
            slice(a, b) for d, (a, b) in enumerate(zip(self._low, self._high, strict=True)) if d != axis
        )
        g, k, v = (np.moveaxis(values, axis, 0) for values in (self._g[axis], self._k, target))
        low, last = int(self._low[axis]), int(self._last()[axis])
        ends = [(0, 1)] if low == 1 else []
        ends += [(last - 1, last - 1)] if self._high[axis] == last else []
        for face, cell in ends:
            g[(face, *side)] = 2.0 * scale * (k[(cell, *side)] + more * v[(cell, *side)])
        return bool(ends)
