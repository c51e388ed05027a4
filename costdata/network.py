"""Between places and regions: round-trip times and transfer prices, read when they are asked for."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from . import packaged, places

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .schema import Place, Region

Pair = tuple[str, str]
Rates = dict[tuple[str, str], int]


@cache
def _measured() -> dict[Pair, float]:
    rows = packaged.records(packaged.FOLDER / "round_trip.csv")
    return {pair: float(r["ms"]) for r in rows for pair in ((r["a"], r["b"]), (r["b"], r["a"]))}


@cache
def _fit() -> dict[str, tuple[float, float]]:
    """Fixed milliseconds, and milliseconds a kilometre, by pair of continents; `*` is any."""
    rows = packaged.records(packaged.FOLDER / "round_trip_fit.csv")
    return {r["continents"]: (float(r["ms_fixed"]), float(r["ms_per_1000_km"]) / 1000) for r in rows}


def round_trip_ms(place: Place, regions: Mapping[Pair, Region]) -> dict[Pair, float]:
    """Measured where both ends are regions somebody measured between, else modelled by distance and continents."""
    fit, measured = _fit(), _measured()
    km = places.distances_km(place, list(regions.values())).tolist()
    made = {}
    for (pair, region), far in zip(regions.items(), km, strict=True):
        continents = "-".join(sorted((place.continent, region.continent)))
        fixed, slope = fit.get(continents, fit["*"])
        made[pair] = measured.get((place.name, "/".join(pair)), fixed + slope * far)
    return made


@cache
def _rates(provider: str) -> Rates:
    """Micro-dollars a GB by (from, to); a provider without a table (the user's own) has none."""
    path = packaged.FOLDER / "providers" / provider / "transfer.csv"
    if provider not in packaged.providers() or not path.exists():
        return {}
    return {(r["from"], r["to"]): round(float(r["usd_per_gb"]) * packaged.MICRO) for r in packaged.records(path)}


def egress_micro_usd_per_gb(place: Place, regions: Mapping[Pair, Region]) -> dict[Pair, int]:
    """From each region to clients at a place, over the internet; inside the provider when the place is its region."""
    made = {}
    for pair, region in regions.items():
        inside = place.name.startswith(f"{region.provider}/")
        made[pair] = _between(region, place) if inside else _internet(region, place)
    return made


def transfer_micro_usd_per_gb(
    place: Place, regions: Mapping[Pair, Region], atlas: Mapping[Pair, Region]
) -> dict[Pair, int]:
    """From a region to each region; to take data in from elsewhere costs nothing."""
    provider, slash, name = place.name.partition("/")
    if not slash:
        return dict.fromkeys(regions, 0)
    source = atlas[provider, name]
    made = {}
    for pair, region in regions.items():
        target = places.of_region(region)
        made[pair] = _between(source, target) if region.provider == provider else _internet(source, target)
    return made


def _between(source: Region, target: Place) -> int:
    """Inside one provider; the closest description of the target, then of the source, holds."""
    _, _, name = target.name.partition("/")
    if name == source.name:
        return 0
    near = "same_continent" if source.continent == target.continent else "other_continent"
    return _rate(source, (name, f"@{target.continent}", near, "regions"))


def _internet(source: Region, target: Place) -> int:
    return _rate(source, (f"internet@{target.country}", "internet"))


def _rate(source: Region, targets: tuple[str, ...]) -> int:
    rates = _rates(source.provider)
    for target in targets:
        for origin in (source.name, f"@{source.continent}", "*"):
            if (origin, target) in rates:
                return rates[origin, target]
    return 0
