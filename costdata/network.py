"""Between places and regions: round-trip times and transfer prices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import places

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .schema import Place, Region

Pair = tuple[str, str]


def round_trip_ms(place: Place, regions: Mapping[Pair, Region]) -> dict[Pair, float]:
    """By distance."""
    km = places.distances_km(place, list(regions.values()))
    return dict(zip(regions, (3.0 + km * 0.0165).tolist(), strict=True))


def egress_micro_usd_per_gb(place: Place, regions: Mapping[Pair, Region]) -> dict[Pair, int]:
    """First tier."""
    return dict.fromkeys(regions, 90_000 if place.name else 0)


def transfer_micro_usd_per_gb(place: Place, regions: Mapping[Pair, Region]) -> dict[Pair, int]:
    """Between regions."""
    return {pair: 0 if "/" not in place.name or place.name == "/".join(pair) else 20_000 for pair in regions}
