"""Analytic discs as sinograms, measured by the scanner's own beam, noise and reconstruction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.imaging import CTField, Scanner
from vertebro.imaging.ct_body import FINE
from vertebro.imaging.ct_rays import Rays, add_attenuation, beam_of, expected_signal, quanta
from vertebro.imaging.ct_scan import reconstruct
from vertebro.imaging.kernels_ct import LANES, weaken
from vertebro.materials.attenuation import Material, cement_material

RAYS = Rays(views=720, count=512, pitch=0.5e-3, axis=(0.0, 0.0))
FIELD = CTField(width=0.256, pixels=512)
Disc = tuple[float, float, float]  # right, anterior, radius [m]
Image = NDArray[np.float32]


def chords(disc: Disc, distances: NDArray[np.float64], rays: Rays = RAYS) -> NDArray[np.float64]:
    """(views, rays) exact line integrals of a disc of 1 [m]."""
    off = distances - (rays.directions() @ disc[:2])[:, None]
    return 2 * np.sqrt(np.maximum(disc[2] ** 2 - off**2, 0))


@dataclass(frozen=True, kw_only=True)
class Phantom:
    """Discs in water: what replaces the water is counted once. Rays of no width (`points`) spare focus and cells."""

    water: float = 0.1
    soft: tuple[tuple[Disc, float], ...] = ()
    bone: tuple[Disc, ...] = ()
    cement: tuple[Disc, ...] = ()
    steel: tuple[Disc, ...] = ()
    matter: Material | None = None
    points: bool = False

    def lines(self, scanner: Scanner, *, photons: float | None = None, seed: int = 1):
        """Corrected attenuation (views, rays) of one slice."""
        at = RAYS.distances()
        paths = np.zeros((RAYS.views, RAYS.count, LANES), np.float32)
        paths[:, :, 0] = chords((0, 0, self.water), at)
        for disc, density in self.soft:
            paths[:, :, 0] += (density - 1) * chords(disc, at)
        for disc in self.bone:
            paths[:, :, 0] -= chords(disc, at)
            paths[:, :, 1] += chords(disc, at)
        for disc in self.cement:
            paths[:, :, 2] += chords(disc, at)
        fine = RAYS.first + ((np.arange(FINE * RAYS.count) + 0.5) / FINE - 0.5) * RAYS.pitch
        steel = np.zeros((RAYS.views, fine.size, 2), np.float32)
        for disc in self.steel:
            steel[:, :, 0] += chords(disc, fine)
            paths[:, :, 3] += chords(disc, at)
            paths[:, :, 0] -= chords(disc, at)
        beam = beam_of(scanner, RAYS)
        mu = beam.attenuations(self.matter or cement_material(), "water")
        if self.points:
            signal = np.empty((1, *paths.shape[:2]), np.float32)
            weaken(paths, mu, beam.open_beam, signal)
        else:
            paths[:, :, 3] = 0
            signal = expected_signal(paths, steel if self.steel else None, beam, mu, scanner, RAYS, 1)
        out = np.zeros(paths.shape[:2], np.float32)
        add_attenuation(signal, beam, scanner, RAYS, thin_for(scanner, photons), noise(photons, seed), out)
        return out

    def picture(self, scanner: Scanner, **settings) -> Image:
        """CT numbers of the whole field."""
        return reconstruct(self.lines(scanner, **settings), scanner, RAYS, FIELD)


def noise(photons: float | None, seed: int) -> np.random.Generator | None:
    """None for silence."""
    return None if photons is None else np.random.default_rng(seed)


def thin_for(scanner: Scanner, photons: float | None) -> float:
    """Thickness [m] at which a ray through air counts that many photons."""
    return 1e-3 if photons is None else 1e-3 * photons / quanta(scanner, RAYS, 1e-3)


def distance(right: float = 0.0, anterior: float = 0.0) -> NDArray[np.float64]:
    """(512, 512) distance [m] of every pixel from a point; right is on the left."""
    place = -(np.arange(512) - 255.5) * 0.5e-3
    return np.hypot(place[None, :] - right, place[:, None] - anterior)


def box(half_right: float, half_anterior: float) -> NDArray[np.bool_]:
    """Pixels of a box around the middle."""
    place = np.abs(np.arange(512) - 255.5) * 0.5e-3
    return (place[None, :] < half_right) & (place[:, None] < half_anterior)
