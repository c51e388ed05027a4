"""Finding places by name, and what lies between a place and the regions: round trips and transfer prices."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from . import packaged
from .errors import DataError, nearest, shown
from .schema import Array, Place, Region

if TYPE_CHECKING:
    from collections.abc import Mapping

EARTH_KM = 6371.0
Pair = tuple[str, str]


def folded(name: str) -> str:
    """A name without case, accents and stray spaces."""
    flat = unicodedata.normalize("NFKD", name)
    return " ".join("".join(c for c in flat if not unicodedata.combining(c)).casefold().split())


@cache
def _index() -> dict[str, tuple[Place, ...]]:
    found: dict[str, list[Place]] = {}
    for name, place in packaged.places():
        same = found.setdefault(folded(name), [])
        if place not in same:
            same.append(place)
    return {name: tuple(several) for name, several in found.items()}


def find(name: str, regions: Mapping[Pair, Region]) -> Place:
    """A region "aws/us-east-1", a city ("paris", "Paris, FR") or a country ("FR", "France")."""
    provider, slash, region = name.partition("/")
    if slash:
        if (provider, region) not in regions:
            known = [f"{p}/{r}" for p, r in regions]
            raise DataError(f"unknown region {shown(name)}", where="place", mend=nearest(name, known))
        return of_region(regions[provider, region])
    several = _index().get(folded(name), ())
    several = tuple(p for p in several if folded(p.name) == folded(name)) or several
    countries = {p.country for p in several}
    if len(countries) > 1 and len(name) != 2:  # noqa: PLR2004
        which = " or ".join(f'"{p.name}, {p.country}"' for p in several)
        raise DataError(f"{shown(name)} is in several countries", where="place", mend=f"write {which}")
    if not several:
        raise DataError(f"unknown place {shown(name)}", where="place", mend=nearest(folded(name), _index()))
    return several[0]


def of_region(region: Region) -> Place:
    """A region as a place."""
    return Place(
        name=f"{region.provider}/{region.name}",
        country=region.country,
        jurisdiction=region.jurisdiction,
        continent=region.continent,
        latitude=region.latitude,
        longitude=region.longitude,
    )


def distances_km(place: Place, regions: list[Region]) -> Array:
    """Great circles from a place to regions."""
    latitude = np.radians(np.array([r.latitude for r in regions] + [place.latitude], dtype=float))
    longitude = np.radians(np.array([r.longitude for r in regions] + [place.longitude], dtype=float))
    across = np.sin((longitude[:-1] - longitude[-1]) / 2) ** 2
    half = np.sin((latitude[:-1] - latitude[-1]) / 2) ** 2 + np.cos(latitude[:-1]) * np.cos(latitude[-1]) * across
    return np.asarray(2 * EARTH_KM * np.arcsin(np.sqrt(half)))
