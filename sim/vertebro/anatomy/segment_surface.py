"""Move the fitted template's body wall onto the edges that the CT shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from vertebro.grid import VoxelGrid
from vertebro.units import mm

Floats = NDArray[np.float64]
# All ours, tuned on four labelled vertebrae of two patients.
RAYS = 1600  # on the body's surface: one per 2 mm
REACH = (-5.0 * mm, 6.5 * mm)  # how far the wall may move in and out
_STEP = 0.25 * mm
_WIDTH = 1.0 * mm  # Gaussian width of an edge
_NEIGHBOURS = 25
_STIFF = (0.3, 0.6, 1.0, 1.4)  # growing pull towards the neighbours' mean, per mm² of difference
_HOME = 0.02  # pull towards the template per mm²
_EDGE_HU = 150.0  # a step of that many HU per 2 mm is a full edge


@dataclass(frozen=True, slots=True)
class Wall:
    """The body's surface after refinement.

    Attributes
    ----------
    direction : (n, 3) unit vectors from the body's centre
    move : (n,) float [m]
        Outward shift of the template's surface along its normal.
    strength : (n,) float [1]
        Edge found there: 1 is a full edge, 0 none.
    """

    direction: Floats
    move: Floats
    strength: Floats

    def moves(self, points: Floats) -> Floats:
        """Shift [m] that belongs to points (k, 3) in the same frame, from the nearest rays."""
        norm = np.linalg.norm(points, axis=1, keepdims=True)
        _, near = cKDTree(self.direction).query(points / np.maximum(norm, 1e-9), k=6)
        return np.asarray(self.move[near].mean(axis=1))


def refine_wall(
    hu: NDArray[np.float32], body: NDArray[np.float32], blocked: NDArray[np.float32], grid: VoxelGrid
) -> Wall:
    """Find the shift of every ray.

    Parameters
    ----------
    hu : float32 array [HU]
        In the frame of the fitted template, finite everywhere.
    body : float32 array [m]
        Signed distance to the fitted template's body.
    blocked : float32 array [m]
        Signed distance to bone that grows out of the body (pedicles): no edge is looked for there.
    grid : VoxelGrid
        Of the three; the body's centre at its origin.
    """
    direction = _sphere(RAYS, _half_axes(body, grid))
    point = direction * _radius(body, grid, direction)[:, None]
    normal = _normals(body, grid, point)
    shift = np.arange(REACH[0], REACH[1] + _STEP / 2, _STEP)
    places = point[:, None] + shift[None, :, None] * normal[:, None]
    index = grid.index(places).reshape(-1, 3).T
    value = ndimage.map_coordinates(np.clip(hu, -150, 700), index, order=1, mode="nearest").reshape(len(point), -1)
    edge = -ndimage.gaussian_filter1d(value, _WIDTH / _STEP, axis=1, order=1) / (_STEP / (2 * mm)) / _EDGE_HU
    shine = ndimage.gaussian_filter1d(value, _WIDTH / _STEP, axis=1)
    crest = np.roll(shine, round(1.0 * mm / _STEP), axis=1)  # how bright it is just inside
    gain = np.clip(edge, 0, 1) * np.clip((crest - 20.0) / 150.0, 0, 1)
    open_ = ndimage.map_coordinates(blocked, grid.index(point).T, order=1, mode="nearest") > 1.5 * mm
    gain = gain * open_[:, None]
    move = _smoothest(gain, point, shift)
    at = np.clip(np.rint((move - shift[0]) / _STEP).astype(int), 0, len(shift) - 1)
    return Wall(direction, move, gain[np.arange(len(at)), at])


def _smoothest(gain: Floats, point: Floats, shift: Floats) -> Floats:
    """Shifts that trade edge strength against the difference from the neighbours, by alternating minimisation."""
    distance, near = cKDTree(point).query(point, k=_NEIGHBOURS)
    weight = np.exp(-0.5 * (distance / (3.0 * mm)) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    x = shift / mm
    shared = np.einsum("nk,nkd->nd", weight, gain[near])  # what the neighbours see steadies the first choice
    move = np.zeros(len(point))
    for stiff in _STIFF:
        for _ in range(6):
            mean = (weight * move[near]).sum(axis=1)
            cost = stiff * 0.2 * (x - mean[:, None]) ** 2 + _HOME * x**2 - (0.5 * gain + shared)
            best = np.argmin(cost, axis=1)
            move = x[best]
    return (weight * move[near]).sum(axis=1) * mm


def _sphere(count: int, half: Floats) -> Floats:
    """Directions whose rays hit an ellipsoid of these half axes about evenly."""
    k = np.arange(count) + 0.5
    z = 1 - 2 * k / count
    angle = np.pi * (1 + np.sqrt(5)) * k
    flat = np.sqrt(1 - z * z)
    points = np.stack([flat * np.cos(angle), flat * np.sin(angle), z], axis=1) * half
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


def _half_axes(body: NDArray[np.float32], grid: VoxelGrid) -> Floats:
    points = grid.world(np.argwhere(body < 0))
    return np.asarray((points.max(axis=0) - points.min(axis=0)) / 2)


def _radius(body: NDArray[np.float32], grid: VoxelGrid, direction: Floats) -> Floats:
    """Distance from the centre to the surface along each ray."""
    t = np.arange(2.0 * mm, 45.0 * mm, 0.25 * mm)
    index = grid.index(direction[:, None] * t[None, :, None]).reshape(-1, 3).T
    inside = ndimage.map_coordinates(body, index, order=1, mode="nearest").reshape(len(direction), -1) < 0
    last = inside.shape[1] - 1 - np.argmax(inside[:, ::-1], axis=1)
    return np.asarray(t[last] + 0.125 * mm)


def _normals(body: NDArray[np.float32], grid: VoxelGrid, point: Floats) -> Floats:
    smooth = ndimage.gaussian_filter(body, 1.0)
    index = grid.index(point).T
    normal = np.stack([ndimage.map_coordinates(g, index, order=1) for g in np.gradient(smooth)], axis=1)
    return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9))
