"""Regions: place, jurisdiction's country, zones, and the carbon intensity of the grid they stand on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from . import facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HERE = Path(__file__).parent
NAMES = [
    *("region", "location", "country", "latitude", "longitude", "zones"),
    *("g_co2_per_kwh", "carbon_source", "source"),
]
AZURE_ZONED = (
    "australiaeast austriaeast brazilsouth canadacentral centralindia centralus chilecentral eastasia eastus eastus2"
    " francecentral germanywestcentral indonesiacentral israelcentral italynorth japaneast japanwest koreacentral"
    " malaysiawest mexicocentral newzealandnorth northeurope norwayeast polandcentral qatarcentral southafricanorth"
    " southcentralus southeastasia spaincentral swedencentral switzerlandnorth uaenorth uksouth westeurope westus2"
    " westus3"
)
WORLD_AVERAGE = 470
SAME_GRID_KM = 900.0
EARTH_KM = 6371.0


def regions(
    folder: Path, sites: Mapping[tuple[str, str], facts.Row], used: Mapping[str, Iterable[str]]
) -> dict[str, list[list[str]]]:
    """Rows of each provider's regions.csv, for the regions it has a price in."""
    grid = _Grid(folder, sites)
    made: dict[str, list[list[str]]] = {}
    for provider, names in used.items():
        made[provider] = []
        for name in sorted(names):
            site = sites[provider, name]
            carbon, carbon_source = grid.at(provider, name, site)
            row = [name, site["location"], site["country"], site["latitude"], site["longitude"], site["zones"]]
            made[provider].append([*row, facts.plain(carbon), carbon_source, site["source"]])
    return made


def distance_km(a: Mapping[str, Any], b: Mapping[str, Any]) -> float:
    """Great circle between two sites."""
    x, y = ((math.radians(float(p["latitude"])), math.radians(float(p["longitude"]))) for p in (a, b))
    half = math.sin((x[0] - y[0]) / 2) ** 2 + math.cos(x[0]) * math.cos(y[0]) * math.sin((x[1] - y[1]) / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(half))


def all_sites(folder: Path) -> dict[tuple[str, str], facts.Row]:
    """Every region with a known place, by provider and name."""
    continents = {row["code"]: row["continent"] for row in facts.table(HERE.parent / "countries.csv")}
    codes = {row["name"]: row["code"] for row in facts.table(HERE.parent / "countries.csv")}
    zones = _aws_zones(folder)
    made: dict[tuple[str, str], facts.Row] = {}
    for provider in ("aws", "azure", "gcp", "oci"):
        for name, site in facts.document(folder / "regions" / f"{provider}_regions.json").items():
            if site["country"] not in codes:
                continue
            count = (
                zones.get(name, 3)
                if provider == "aws"
                else 3
                if provider == "gcp" or name in AZURE_ZONED.split()
                else 1
            )
            made[provider, name] = {
                "location": site["location"],
                "country": codes[site["country"]],
                "latitude": facts.plain(round(float(site["latitude"]), 2)),
                "longitude": facts.plain(round(float(site["longitude"]), 2)),
                "zones": str(count),
                "source": "regions-list",
            }
    for row in facts.table(HERE / "sites.csv"):
        made[row["provider"], row["region"]] = {**row, "source": "city"}
    return {key: {**site, "continent": continents[site["country"]]} for key, site in made.items()}


def _aws_zones(folder: Path) -> dict[str, int]:
    most: dict[str, int] = {}
    for row in facts.table(folder / "aws_moto" / "aws_offerings_region_azcount.csv"):
        most[row["region"]] = max(most.get(row["region"], 0), int(row["az_count"]))
    return most


class _Grid:
    """Carbon intensity: Google's figure for its own region, else the nearest of its regions on the same grid."""

    def __init__(self, folder: Path, sites: Mapping[tuple[str, str], facts.Row]) -> None:
        rows = facts.table(folder / "carbon" / "gcp_region_carbon_2024.csv")
        figures = {r["Google Cloud Region"]: float(r["Grid carbon intensity (gCO2eq / kWh)"]) for r in rows}
        self.measured = [(n, sites["gcp", n], g) for n, g in sorted(figures.items()) if ("gcp", n) in sites]
        document = YAML(typ="safe").load(folder / "carbon" / "ecocost_regions.yaml")
        self.national = {k: v["carbon_intensity_gco2e_per_kwh"]["value"] for k, v in document["regions"].items()}
        self.assumed = {row["country"]: float(row["g_co2_per_kwh"]) for row in facts.table(HERE / "carbon.csv")}

    def at(self, provider: str, name: str, site: facts.Row) -> tuple[float, str]:
        """Grams a kilowatt-hour, and what the figure is."""
        near = [
            (distance_km(site, place), n, g) for n, place, g in self.measured if place["country"] == site["country"]
        ]
        if near and (min(near)[0] <= SAME_GRID_KM or site["country"] != "US"):
            _, nearest, grams = min(near)
            own = provider == "gcp" and nearest == name
            return grams, "Google Cloud 2024, location-based" + ("" if own else f", of {nearest}")
        if site["country"] in self.national:
            return self.national[site["country"]], "national average 2025, life cycle (ecocost 0.2.4)"
        if site["country"] in self.assumed:
            return self.assumed[site["country"]], "assumed national average, rounded"
        return WORLD_AVERAGE, "assumed world average"
