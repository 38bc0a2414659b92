"""A small Monte Carlo of photons in a slab of water: the reference for the fast model of scatter.

Photoelectric absorption, Compton scattering (Klein and Nishina times the incoherent scattering function) and coherent
scattering (Thomson times the squared form factors of free atoms). Every collision adds what it would send straight to
the middle of the detector (Persliden and Alm Carlsson's collision density estimator), so few photons suffice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xraydb
from numpy.typing import NDArray

Array = NDArray[Any]
REST, HC = 510.99895, 12.398420  # keV, keV angstrom
COS = np.linspace(-1, 1, 801)
ENERGIES = np.arange(10.0, 151.0)
WATER = ((2 * 1.008, "H", 2), (15.999, "O", 1))


def water_tables() -> tuple[Array, Array, Array]:
    """(141,) attenuation by coherent, by Compton scattering and in total [1/m] of water at whole keV."""
    mass = sum(weight for weight, _, _ in WATER)
    parts = [np.zeros(ENERGIES.size) for _ in range(3)]
    calls = (xraydb.coherent_cross_section_elam, xraydb.incoherent_cross_section_elam, xraydb.mu_elam)
    for weight, element, _ in WATER:
        for part, call in zip(parts, calls, strict=True):
            part += 100 * weight / mass * call(element, ENERGIES * 1e3)
    return parts[0], parts[1], parts[2]


def angular_tables() -> tuple[Array, Array]:
    """(141, 801) probability per steradian of coherent and of Compton scattering, over `COS`."""
    both = np.zeros((2, ENERGIES.size, COS.size))
    for i, energy in enumerate(ENERGIES):
        x = energy / HC * np.sqrt((1 - COS) / 2)
        form = {element: np.asarray(xraydb.f0(element, x)) for _, element, _ in WATER}
        squared = sum(number * form[element] ** 2 for _, element, number in WATER)
        free = sum(
            number * (form[element].max() - form[element] ** 2 / form[element].max()) for _, element, number in WATER
        )
        ratio = 1 / (1 + energy / REST * (1 - COS))
        both[0, i] = (1 + COS**2) * squared
        both[1, i] = ratio**2 * (ratio + 1 / ratio - 1 + COS**2) * free
        both[:, i] /= (np.trapezoid(both[:, i], COS, axis=1) * 2 * np.pi)[:, None]
    return both[0], both[1]


def scatter_to_primary(
    spectrum_energy: Array,
    spectrum_fluence: Array,
    response: Any,
    *,
    thickness: float = 0.2,
    field: float = 0.3,
    source_isocentre: float = 0.7,
    source_detector: float = 1.0,
    photons: int = 100_000,
    seed: int = 0,
    aim: float = 0.0,
) -> float:
    """Scatter over primary in the middle of the detector, behind a slab around the isocentre.

    Parameters
    ----------
    spectrum_energy, spectrum_fluence : (n,) arrays [keV], [any]
    response : callable (energy [keV], cosine) -> signal per photon
    thickness : float [m]
    field : float [m]
        Edge of the square field at the detector.
    source_isocentre, source_detector : float [m]
    photons, seed : int
    aim : float [m]
        Distance of the point in question from the middle of the field.
    """
    random = np.random.default_rng(seed)
    coherent, compton, total = water_tables()
    phase_coherent, phase_compton = angular_tables()
    steps = [np.cumsum(0.5 * (p[:, 1:] + p[:, :-1]), axis=1) for p in (phase_coherent, phase_compton)]
    cumulative = [np.concatenate([np.zeros((len(c), 1)), c], axis=1) / c[:, -1:] for c in steps]
    top, bottom = source_isocentre - thickness / 2, source_isocentre + thickness / 2
    energy = random.choice(spectrum_energy, photons, p=spectrum_fluence / spectrum_fluence.sum())
    side = (random.random((photons, 2)) - 0.5) * field
    ray = np.column_stack([side, np.full(photons, source_detector)])
    length = np.linalg.norm(ray, axis=1)
    # even over the detector's plane: a point source sends (cos)^3 of the middle there
    weight = (source_detector / length) ** 3
    way = ray / length[:, None]
    place = way * (top / way[:, 2])[:, None]
    point = np.array([aim, 0.0, source_detector])
    scattered = 0.0
    for _ in range(12):
        index = np.rint(energy).astype(int) - 10
        mu = total[index]
        left = np.where(way[:, 2] > 0, (bottom - place[:, 2]) / way[:, 2], (top - place[:, 2]) / way[:, 2])
        depart = -np.log(1 - random.random(energy.size) * (1 - np.exp(-mu * left))) / mu
        weight = weight * (1 - np.exp(-mu * left)) * (coherent[index] + compton[index]) / mu
        place = place + depart[:, None] * way
        towards = point - place
        far = np.linalg.norm(towards, axis=1)
        towards = towards / far[:, None]
        cosine = np.clip((towards * way).sum(axis=1), -1, 1)
        through = (bottom - place[:, 2]) / towards[:, 2]
        share = compton[index] / (coherent[index] + compton[index])
        slot = np.rint((cosine + 1) * 400).astype(int)
        for kind, chance in ((0, 1 - share), (1, share)):
            after = energy / (1 + energy / REST * (1 - cosine)) if kind else energy
            phase = (phase_coherent, phase_compton)[kind][index, slot]
            gone = np.exp(-total[np.clip(np.rint(after).astype(int) - 10, 0, 140)] * through)
            seen = response(after, towards[:, 2]) * towards[:, 2]
            scattered += float((weight * chance * phase * gone * seen / far**2).sum())
        is_compton = random.random(energy.size) < share
        pick = random.random(energy.size)
        turned = np.empty(energy.size)
        for value in np.unique(index):
            for kind in (0, 1):
                mine = (index == value) & (is_compton == bool(kind))
                turned[mine] = np.interp(pick[mine], cumulative[kind][value], COS)
        energy = np.where(is_compton, energy / (1 + energy / REST * (1 - turned)), energy)
        way = _turn(way, turned, 2 * np.pi * random.random(energy.size))
        alive = (weight > 1e-4) & (energy > 12) & (np.abs(way[:, 2]) > 1e-3)
        place, way, energy, weight = place[alive], way[alive], energy[alive], weight[alive]
    slant = np.array([aim, 0.0, source_detector])
    slant = slant / np.linalg.norm(slant)
    index = np.rint(spectrum_energy).astype(int) - 10
    behind = spectrum_fluence / spectrum_fluence.sum() * np.exp(-total[index] * thickness / slant[2])
    primary = float(behind @ response(spectrum_energy, np.full(spectrum_energy.size, slant[2]))) * slant[2] ** 3
    return scattered / photons / (primary / field**2)


def _turn(way: Array, cosine: Array, angle: Array) -> Array:
    """Directions turned by a polar angle (its cosine) and an azimuth."""
    other = np.where(np.abs(way[:, 2:]) < 0.9, np.array([[0.0, 0.0, 1.0]]), np.array([[1.0, 0.0, 0.0]]))
    first = np.cross(way, other)
    first /= np.linalg.norm(first, axis=1)[:, None]
    second = np.cross(way, first)
    sine = np.sqrt(np.maximum(1 - cosine**2, 0))
    across = np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second
    return np.asarray(cosine[:, None] * way + sine[:, None] * across)
