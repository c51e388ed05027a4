"""Transfer prices and round trips between regions, and the fit of round trip on distance."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, NamedTuple

from . import facts
from .regions import distance_km

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
TRANSFER = ["from", "to", "usd_per_gb", "valid_from", "source"]
FIT = ["continents", "ms_fixed", "ms_per_1000_km", "pairs", "median_error", "p90_error"]
MEASURED = ["a", "b", "ms", "source"]
AWS_DATE, GCP_DATE = "2023-04-27", "2026-07-30"
FIRST_TIER = "0-1"
GOVERNMENT = "us-gov-"
FEWEST_PAIRS, SHORTEST_KM = 20, 300.0
FIXED_MS = tuple(tenth / 2 for tenth in range(17))  # 0 to 8 ms in half milliseconds


class Measured(NamedTuple):
    """A pair of regions, far apart and how long there and back."""

    a: str
    b: str
    ms: float
    source: str
    km: float
    continents: str


def transfers(folder: Path, sites: Mapping[tuple[str, str], facts.Row]) -> dict[str, list[list[str]]]:
    """Rows of each provider's transfer.csv."""
    made: dict[str, list[list[str]]] = defaultdict(list)
    for row in facts.table(HERE / "transfer.csv"):
        made[row["provider"]].append([row[name] for name in TRANSFER])
    made["aws"] += _aws(folder, sites)
    made["gcp"] += _gcp_internet(folder)
    return {who: sorted(rows) for who, rows in made.items()}


def _aws(folder: Path, sites: Mapping[tuple[str, str], facts.Row]) -> list[list[str]]:
    """By source region its usual price and the exceptions; the dearest of a continent for regions not listed."""
    prices: dict[str, dict[str, str]] = defaultdict(dict)
    for row in facts.table(folder / "transfer" / "aws_transfer_costs.csv"):
        prices[row["src"]][row["dst"]] = facts.plain(float(row["cost"]))
    made: list[list[str]] = []
    dearest: dict[str, dict[str, float]] = {"internet": defaultdict(float), "regions": defaultdict(float)}
    for region, to in sorted(prices.items()):
        internet = to.pop("internet")
        usual = Counter(to.values()).most_common(1)[0][0]
        made += [[region, "internet", internet], [region, "regions", usual]]
        made += [[region, other, usd] for other, usd in sorted(to.items()) if usd != usual]
        continent = sites["aws", region]["continent"]
        for kind, usd in (("internet", internet), ("regions", usual)):
            for where in (f"@{continent}", "*") if not region.startswith(GOVERNMENT) else ():
                dearest[kind][where] = max(dearest[kind][where], float(usd))
    made += [[where, kind, facts.plain(usd)] for kind, rows in dearest.items() for where, usd in sorted(rows.items())]
    return [[*row, AWS_DATE, "transfer-2023"] for row in made]


def _gcp_internet(folder: Path) -> list[list[str]]:
    """The first tier: what the first terabyte of a month costs, the dearest."""
    to = {"": "internet", "china": "internet@CN", "australia": "internet@AU"}
    by_kind: dict[str, dict[str, str]] = defaultdict(dict)
    for row in facts.table(folder / "transfer" / "gcp_internet_egress_premium_gcosts_2026-07-30.csv"):
        if row["tier_tb"] == FIRST_TIER:
            by_kind[to[row["destination"]]][row["src_region"]] = facts.plain(float(row["usd_per_gb"]))
    made = []
    for kind, prices in sorted(by_kind.items()):
        usual = Counter(prices.values()).most_common(1)[0][0]
        made.append(["*", kind, usual])
        made += [[region, kind, usd] for region, usd in sorted(prices.items()) if usd != usual]
    return [[*row, GCP_DATE, "gcp-egress"] for row in made]


def measured(folder: Path, sites: Mapping[tuple[str, str], facts.Row]) -> list[Measured]:
    """Azure's own medians, and Skyplane's pairs where Azure publishes none; both directions' mean."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    origin: dict[tuple[str, str], str] = {}
    for source, pairs in (("azure-rtt", _azure_pairs(folder)), ("skyplane-rtt", _skyplane_pairs(folder))):
        for a, b, ms in pairs:
            pair = (a, b) if a < b else (b, a)
            if a != b and origin.setdefault(pair, source) == source:
                found[pair].append(ms)
    by_name = {f"{who}/{name}": site for (who, name), site in sites.items()}
    made = []
    for (a, b), times in sorted(found.items()):
        if a in by_name and b in by_name:
            continents = "-".join(sorted((by_name[a]["continent"], by_name[b]["continent"])))
            km = distance_km(by_name[a], by_name[b])
            made.append(Measured(a, b, round(sum(times) / len(times), 1), origin[a, b], km, continents))
    return made


def _azure_pairs(folder: Path) -> list[tuple[str, str, float]]:
    listed = facts.document(folder / "regions" / "azure_regions.json")
    names = {site["location"]: f"azure/{name}" for name, site in listed.items()}
    names |= {"New Zealand North": "azure/newzealandnorth", "West Central US": "azure/westcentralus"}
    path = next((folder / "transfer").glob("azure_interregion_latency_*.csv"))
    rows = list(facts.table(path))
    return [
        (names[row["Source"]], names[other], float(ms))
        for row in rows
        for other, ms in row.items()
        if other != "Source" and ms and names[row["Source"]] != names[other]
    ]


def _skyplane_pairs(folder: Path) -> list[tuple[str, str, float]]:
    path = folder.parent / "measurements" / "wan_pairs.csv"
    return [(_region(r["src_region"]), _region(r["dst_region"]), float(r["avg_rtt"])) for r in facts.table(path)]


def _region(name: str) -> str:
    provider, _, region = name.partition(":")
    return f"{provider}/{region[:-2] if provider == 'gcp' else region}"


def fitted(pairs: list[Measured]) -> list[list[str]]:
    """`ms = fixed + km × slope`, one fixed part, a slope a pair of continents: medians, robust against detours.

    The fixed part is the one of FIXED_MS with the least median relative error.
    """
    far = [p for p in pairs if p.km >= SHORTEST_KM]
    fixed = min(FIXED_MS, key=lambda a: median(_errors(far, a, _slopes(far, a))))
    slopes = _slopes(far, fixed)
    rows = []
    for continents, slope in sorted(slopes.items()):
        same = [p for p in far if continents in ("*", p.continents)]
        errors = _errors(same, fixed, {**slopes, continents: slope} if continents != "*" else slopes)
        p90 = quantiles(errors, n=10)[-1]
        figures = (fixed, round(slope * 1000, 3), len(same), round(median(errors), 3), round(p90, 3))
        rows.append([continents, *map(facts.plain, figures)])
    return rows


def _slopes(pairs: list[Measured], fixed: float) -> dict[str, float]:
    by_continents: dict[str, list[float]] = defaultdict(list)
    for p in pairs:
        by_continents[p.continents].append((p.ms - fixed) / p.km)
        by_continents["*"].append((p.ms - fixed) / p.km)
    return {name: median(values) for name, values in by_continents.items() if len(values) >= FEWEST_PAIRS}


def _errors(pairs: list[Measured], fixed: float, slopes: Mapping[str, float]) -> list[float]:
    return [abs((fixed + p.km * slopes.get(p.continents, slopes["*"])) / p.ms - 1) for p in pairs]
