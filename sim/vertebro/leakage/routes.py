"""Who leaked where: routes out of the bone, places outside it, and the clinical kind of each pair.

Rules (yeom2003; D split off as in ivc2021):

- The *route* is how the cement left the bone: the compartment it entered first decides. Into a vein's course outside
  the bone: that vein. Into a disc: the endplate. Out of the needle's channel: the track. Out of a vein's mouth inside
  the bone into the canal: basivertebral; into other tissue: segmental. Anything else broke through the wall.
- Cement that moves on outside the bone keeps its route: epidural cement fed by a segmental vein stays S.
- The *place* joins compartments that are one to a clinician: the canal and its venous plexus are ``epidural``,
  segmental veins and the tissue around are ``paravertebral``.
- Kind = f(place, route), table `KINDS`; canal cement is B, S or track by its route and CANAL when the wall broke.
- Cement that leaves the simulated region in a segmental vein is on its way to the azygos and the cava: EMBOLUS.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from vertebro.tissue import Compartment, LeakKind


class Route(IntEnum):
    """How cement left the bone."""

    DRY = 0
    BONE = 1
    BASIVERTEBRAL = 2
    SEGMENTAL = 3
    WALL = 4
    ENDPLATE = 5
    TRACK = 6


class Place(IntEnum):
    """Where leaked cement lies, in a clinician's partition."""

    BONE = 0
    EPIDURAL = 1
    FORAMEN_LEFT = 2
    FORAMEN_RIGHT = 3
    DISC_SUPERIOR = 4
    DISC_INFERIOR = 5
    PARAVERTEBRAL = 6
    TRACK = 7
    BEYOND = 8  # left the simulated region inside a vein
    JOINT = 9


PLACE_OF_COMPARTMENT: dict[Compartment, Place] = {
    Compartment.PARAVERTEBRAL: Place.PARAVERTEBRAL,
    Compartment.BODY: Place.BONE,
    Compartment.ARCH: Place.BONE,
    Compartment.CANAL: Place.EPIDURAL,
    Compartment.FORAMEN_LEFT: Place.FORAMEN_LEFT,
    Compartment.FORAMEN_RIGHT: Place.FORAMEN_RIGHT,
    Compartment.DISC_SUPERIOR: Place.DISC_SUPERIOR,
    Compartment.DISC_INFERIOR: Place.DISC_INFERIOR,
    Compartment.VEIN_BASIVERTEBRAL: Place.EPIDURAL,
    Compartment.VEIN_SEGMENTAL: Place.PARAVERTEBRAL,
    Compartment.TRACK: Place.TRACK,
    Compartment.JOINT: Place.JOINT,
}

_BY_ROUTE = {Route.BASIVERTEBRAL: LeakKind.B, Route.SEGMENTAL: LeakKind.S, Route.TRACK: LeakKind.TRACK}
_BY_PLACE = {
    Place.EPIDURAL: LeakKind.CANAL,
    Place.FORAMEN_LEFT: LeakKind.FORAMEN,
    Place.FORAMEN_RIGHT: LeakKind.FORAMEN,
    Place.DISC_SUPERIOR: LeakKind.D,
    Place.DISC_INFERIOR: LeakKind.D,
    Place.PARAVERTEBRAL: LeakKind.C,
    Place.TRACK: LeakKind.TRACK,
    Place.BEYOND: LeakKind.EMBOLUS,
    Place.JOINT: LeakKind.C,
}


def kind_of(place: Place, route: Route) -> LeakKind:
    """Clinical kind of cement at a place that came by a route."""
    if place in (Place.BEYOND, Place.DISC_SUPERIOR, Place.DISC_INFERIOR, Place.TRACK):
        return _BY_PLACE[place]
    if place in (Place.FORAMEN_LEFT, Place.FORAMEN_RIGHT) and route == Route.BASIVERTEBRAL:
        return LeakKind.FORAMEN  # spread on from the epidural space: the root is what matters
    if place == Place.PARAVERTEBRAL and route == Route.ENDPLATE:
        return LeakKind.D
    return _BY_ROUTE.get(route, _BY_PLACE[place])


# (route name of an exit) -> place and route that its outflow is booked under
EXIT_ROUTES: dict[str, tuple[Place, Route]] = {
    "basivertebral": (Place.EPIDURAL, Route.BASIVERTEBRAL),
    "segmental": (Place.BEYOND, Route.SEGMENTAL),
    "vein": (Place.BEYOND, Route.SEGMENTAL),
    "tissue": (Place.PARAVERTEBRAL, Route.WALL),
    "canal": (Place.EPIDURAL, Route.WALL),
    "foramen_left": (Place.FORAMEN_LEFT, Route.WALL),
    "foramen_right": (Place.FORAMEN_RIGHT, Route.WALL),
    "disc_superior": (Place.DISC_SUPERIOR, Route.ENDPLATE),
    "disc_inferior": (Place.DISC_INFERIOR, Route.ENDPLATE),
    "track": (Place.TRACK, Route.TRACK),
}


def route_out_of_bone(
    to: NDArray[np.uint8], source: NDArray[np.uint8], from_vein: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """(n,) route of cement that enters compartment `to` straight from the bone's compartment `source`.

    Parameters
    ----------
    to, source : (n,) uint8 arrays of `Compartment`
    from_vein : (n,) bool array
        Whether the source cell is a vein inside the bone.
    """
    route = np.full(to.shape, Route.WALL, np.uint8)
    route[from_vein] = np.where(to[from_vein] == Compartment.CANAL, Route.BASIVERTEBRAL, Route.SEGMENTAL)
    route[source == Compartment.TRACK] = Route.TRACK
    route[(to == Compartment.DISC_SUPERIOR) | (to == Compartment.DISC_INFERIOR)] = Route.ENDPLATE
    route[to == Compartment.VEIN_BASIVERTEBRAL] = Route.BASIVERTEBRAL
    route[to == Compartment.VEIN_SEGMENTAL] = Route.SEGMENTAL
    route[to == Compartment.TRACK] = Route.TRACK
    return route
