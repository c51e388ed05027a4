"""What must hold of the packaged tables, cell by cell and between tables; the build and the tests run all of it."""

from __future__ import annotations

import csv
import fnmatch
import re
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING

from .. import mechanisms, packaged, percent_off
from ..errors import DataError
from . import facts, network, regions, shapes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?")
DEGREES = re.compile(r"-?\d{1,3}(\.\d{1,2})?")
COLUMNS = {
    "nodes": shapes.NAMES[1:],
    "regions": regions.NAMES,
    "transfer": network.TRANSFER,
    "prices": list(packaged.PRICE_NAMES),
    "history": list(packaged.PRICE_NAMES),
}
NUMBERS = {
    "usd_per_hour": (0.001, 5000),
    "usd_per_gb": (0, 1),
    "zones": (1, 8),
    "interruptions_per_month": (0, 1),
    "accelerators": (0, 72),
    "vcpus": (1, 4096),
    "ram_gib": (1, 20_000),
    "nic_gbit_per_s": (0, 30_000),
    "scaleup_gb_per_s": (0, 1000),
    "scaleup_domain": (0, 72),
    "power_w": (10, 200_000),
    "g_co2_per_kwh": (1, 1000),
    "ms": (0.5, 600),
}
# Light in fibre needs a millisecond there and back for 100 km; published coordinates are off by some 300 km at most.
KM_A_MS, COORDINATES_OFF_KM = 100.0, 600.0
FEWEST_ACCELERATORS, FEWEST_PLACES = 30, 250


def faults() -> list[str]:
    """Everything that does not hold, in words; an empty list is a sound set of tables.

    What must hold between tables is only looked at once every cell is sound.
    """
    read = {who: _tables(who) for who in packaged.providers()}
    pairs, bad = _rows(packaged.FOLDER / "round_trip.csv", network.MEASURED)
    bad += [f"{who}: {text}" for who, (_, found) in read.items() for text in found]
    if bad:
        return bad
    found = [f"{who}: {text}" for who, (tables, _) in read.items() for text in _provider(tables)]
    return [*found, *_hand_written(), *_round_trips(pairs), *_commitments(read)]


def _rows(path: Path, columns: list[str]) -> tuple[list[facts.Row], list[str]]:
    """Rows, and the faults of single cells."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, strict=True)
        header, *cells = list(reader)
    bad = [f"{path.name}: columns {header}"] if header != columns else []
    bad += [f"{path.name}: {len(row)} cells in {row}" for row in cells if len(row) != len(columns)]
    rows = [dict(zip(columns, row, strict=False)) for row in cells]
    for row in rows:
        bad += [f"{path.name}: {name} {value!r}" for name, value in row.items() if not _cell(name, value)]
    return rows, bad


def _cell(name: str, value: str) -> bool:
    if name in {"latitude", "longitude"}:
        return bool(DEGREES.fullmatch(value)) and abs(float(value)) <= (90 if name == "latitude" else 180)
    if name in NUMBERS:
        low, high = NUMBERS[name]
        return bool(NUMBER.fullmatch(value)) and low <= float(value) <= high
    if name in {"valid_from", "date"}:
        return value == date.fromisoformat(value).isoformat()
    known: dict[str, Collection[str]] = {
        "source": packaged.sources(),
        "option": packaged.options(),
        "country": packaged.countries(),
    }
    if name in known:
        return value in known[name]
    return value == value.strip() and (bool(value) or name == "accelerator") and value[:1] not in set("=+-")


def _tables(who: str) -> tuple[dict[str, list[facts.Row]], list[str]]:
    folder = packaged.FOLDER / "providers" / who
    read, faulty = {}, []
    for name, columns in COLUMNS.items():
        if name != "history" or (folder / "history.csv").exists():
            read[name], bad = _rows(folder / f"{name}.csv", columns)
            faulty += bad
    return read, faulty


def _provider(read: Mapping[str, list[facts.Row]]) -> Iterator[str]:
    nodes, homes = ({row[key] for row in read[name]} for name, key in (("nodes", "node"), ("regions", "region")))
    accelerators = {"", *packaged.accelerators()}
    yield from (f"node {r['node']}: accelerator" for r in read["nodes"] if r["accelerator"] not in accelerators)
    yield from (
        f"node {r['node']}: number" for r in read["nodes"] if bool(r["accelerator"]) != (r["accelerators"] != "0")
    )
    before = read.get("history", [])
    for row in (*read["prices"], *before):
        if row["node"] not in nodes or row["region"] not in homes:
            yield f"price of an unknown shape or region: {row}"
    yield from _prices(read["prices"], before)
    yield from _unused(nodes, homes, read["prices"])
    yield from _transfers(read["transfer"], read["regions"])


def _key(row: facts.Row) -> tuple[str, str, str]:
    return row["region"], row["node"], row["option"]


def _prices(now: list[facts.Row], before: list[facts.Row]) -> Iterator[str]:
    keys = [_key(row) for row in now]
    if keys != sorted(set(keys)):
        yield "prices are not in order, or one stands twice"
    since = {_key(row): row["valid_from"] for row in now}
    yield from (
        f"history without a present, or younger: {r}" for r in before if r["valid_from"] >= since.get(_key(r), "")
    )
    dated = Counter((*_key(row), row["valid_from"]) for row in (*now, *before))
    yield from (f"two prices of one day: {key}" for key, count in dated.items() if count > 1)
    full = {(r["region"], r["node"]): float(r["usd_per_hour"]) for r in now if r["option"] == "on_demand"}
    for row in now:
        listed = full.get((row["region"], row["node"]))
        if listed and row["option"] not in {"on_demand", "capacity_block"} and float(row["usd_per_hour"]) >= listed:
            yield f"not below on demand: {row}"


def _unused(nodes: set[str], homes: set[str], now: list[facts.Row]) -> Iterator[str]:
    yield from (f"shape {name} has no price" for name in sorted(nodes - {row["node"] for row in now}))
    yield from (f"region {name} has no price" for name in sorted(homes - {row["region"] for row in now}))


def _transfers(rates: list[facts.Row], homes: list[facts.Row]) -> Iterator[str]:
    """Every region finds a rate to the internet, and to regions near and far."""
    known = {(row["from"], row["to"]) for row in rates}
    for home in homes:
        origins = (home["region"], f"@{packaged.countries()[home['country']]['continent']}", "*")
        for kinds in (("internet",), ("same_continent", "regions"), ("other_continent", "regions")):
            if not any((origin, kind) in known for origin in origins for kind in kinds):
                yield f"no rate from {home['region']} to {kinds[0]}"


def _hand_written() -> Iterator[str]:
    if len(packaged.accelerators()) < FEWEST_ACCELERATORS or len(packaged.places()) < FEWEST_PLACES:
        yield "too few accelerators or places"
    for a in packaged.accelerators().values():
        if a.planned and min(a.hbm_gib, a.hbm_gb_per_s, a.bf16_tflop_per_s, a.scaleup_gb_per_s, a.tdp_w) <= 0:
            yield f"accelerator {a.name} is planned, and lacks a figure"
        if a.fp8_tflop_per_s and a.fp8_tflop_per_s < a.bf16_tflop_per_s:
            yield f"accelerator {a.name}: fp8 below bf16"
    for key, source in packaged.sources().items():
        if not (_cell("date", source.date) and source.title and source.licence and source.check_against):
            yield f"source {key} lacks a date, title, licence or list to check against"


def _commitments(read: Mapping[str, tuple[Mapping[str, list[facts.Row]], list[str]]]) -> Iterator[str]:
    """Every cell of what commitments are, and that options, offers, shapes and they agree."""
    try:
        known, judged, programmes = mechanisms.mechanisms(), mechanisms.families(), percent_off.programmes()
    except DataError as error:
        yield str(error)
        return
    options = packaged.options()
    sold = {option for _, option in known}
    yield from (f"{name}: no mechanism" for name, o in options.items() if o.kind == "commitment" and name not in sold)
    yield from (
        f"{m.provider}/{m.option}: reach {m.reach}, and scope {options[m.option].scope}"
        for m in known.values()
        if m.reach != options[m.option].scope
    )
    for who, (tables, _) in read.items():
        groups = {mechanisms.family(who, row["node"]) for row in tables["nodes"]}
        yield from (f"{who}: family {name} has no shape" for p, name in judged if p == who and name not in groups)
        committed = {row["option"] for row in tables["prices"] if options[row["option"]].kind == "commitment"}
        yield from (f"{who} sells no {name}" for name in sorted(committed - set(mechanisms.sold(who))))
        yield from _programmes([p for p in programmes if p.provider == who], tables["prices"])


def _programmes(programmes: list[percent_off.Programme], prices: list[facts.Row]) -> Iterator[str]:
    """A percentage off applies to shapes with an on-demand price, one to a shape, and none where a price is listed."""
    on_demand = {row["node"] for row in prices if row["option"] == "on_demand"}
    listed = {(row["node"], row["option"]) for row in prices}
    seen: dict[tuple[str, str, date], percent_off.Programme] = {}
    for p in programmes:
        matched = fnmatch.filter(sorted(on_demand), p.node)
        if not matched:
            yield f"percent_off.csv: {p.option} for {p.node} matches no shape on demand"
        for node in matched:
            if (node, p.option) in listed:
                yield f"percent_off.csv: {p.option} of {node} has a listed price"
            if seen.setdefault((node, p.option, p.valid_from), p) is not p:
                yield f"percent_off.csv: {p.option} of {node} twice, {p.node} the second"


def _round_trips(rows: list[facts.Row]) -> Iterator[str]:
    pairs = [(row["a"], row["b"]) for row in rows]
    if pairs != sorted(set(pairs)) or any(a >= b for a, b in pairs):
        yield "round trips are not in order, or one stands twice"
    places = {f"{p}/{n}": r for who in packaged.providers() for (p, n), r in packaged.regions(who).items()}
    for row in rows:
        if row["a"] in places and row["b"] in places:
            ends = ({"latitude": p.latitude, "longitude": p.longitude} for p in (places[row["a"]], places[row["b"]]))
            if regions.distance_km(*ends) > float(row["ms"]) * KM_A_MS + COORDINATES_OFF_KM:
                yield f"faster than light in fibre: {row}"
