"""Reading the tables that ship with the package: fast, because the tests have checked every cell of them."""

from __future__ import annotations

import csv
import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .errors import DataError
from .schema import Accelerator, Array, Node, Offers, Option, Place, Region, objects

FOLDER = Path(__file__).parent
MICRO = 1_000_000
PRICE_NAMES = ("region", "node", "option", "usd_per_hour", "zones", "interruptions_per_month", "valid_from", "source")
Row = dict[str, str]


class Source(NamedTuple):
    """Where rows come from, and when they were last seen there."""

    title: str
    date: str
    licence: str
    check_against: str


def records(path: Path) -> list[Row]:
    """Rows of a packaged table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def providers() -> list[str]:
    """Names of the folders that hold a provider."""
    return sorted(path.parent.name for path in FOLDER.glob("providers/*/provider.toml"))


def settings(provider: str) -> dict[str, str | float]:
    """A provider's provider.toml: its title, and how often its spot nodes are taken back where nobody says."""
    return tomllib.loads((FOLDER / "providers" / provider / "provider.toml").read_text(encoding="utf-8"))


@cache
def sources() -> dict[str, Source]:
    """Sources by key."""
    rows = records(FOLDER / "sources.csv")
    return {r["key"]: Source(r["title"], r["date"], r["licence"], r["check_against"]) for r in rows}


@cache
def options() -> dict[str, Option]:
    """Ways to buy, by name."""
    rows = records(FOLDER / "options.csv")
    return {r["option"]: Option(**{**r, "term_months": int(r["term_months"])}) for r in rows}  # type: ignore[arg-type]


@cache
def countries() -> dict[str, Row]:
    """Countries by two-letter code."""
    return {row["code"]: row for row in records(FOLDER / "countries.csv")}


def accelerators() -> dict[str, Accelerator]:
    """Every accelerator."""
    return {
        r["name"]: Accelerator(
            name=r["name"],
            vendor=r["vendor"],
            hbm_gib=float(r["hbm_gib"]),
            hbm_gb_per_s=float(r["hbm_gb_per_s"]),
            bf16_tflop_per_s=float(r["bf16_tflop_per_s"]),
            fp8_tflop_per_s=float(r["fp8_tflop_per_s"]),
            fp4_tflop_per_s=float(r["fp4_tflop_per_s"]),
            scaleup_gb_per_s=float(r["scaleup_gb_per_s"]),
            tdp_w=float(r["tdp_w"]),
            planned=r["planned"] == "true",
            source=r["source"],
        )
        for r in records(FOLDER / "accelerators.csv")
    }


def nodes(provider: str) -> dict[tuple[str, str], Node]:
    """A provider's shapes."""
    titles = sources()
    return {
        (provider, r["node"]): Node(
            provider=provider,
            name=r["node"],
            accelerator=r["accelerator"],
            accelerators=int(r["accelerators"]),
            vcpus=int(r["vcpus"]),
            ram_gib=float(r["ram_gib"]),
            nic_gbit_per_s=float(r["nic_gbit_per_s"]),
            scaleup_gb_per_s=float(r["scaleup_gb_per_s"]),
            scaleup_domain=int(r["scaleup_domain"]),
            power_w=int(r["power_w"]),
            source=titles[r["source"]].title,
        )
        for r in records(FOLDER / "providers" / provider / "nodes.csv")
    }


def regions(provider: str) -> dict[tuple[str, str], Region]:
    """A provider's regions."""
    titles, known = sources(), countries()
    return {
        (provider, r["region"]): Region(
            provider=provider,
            name=r["region"],
            location=r["location"],
            country=r["country"],
            jurisdiction=known[r["country"]]["jurisdiction"],
            continent=known[r["country"]]["continent"],
            latitude=float(r["latitude"]),
            longitude=float(r["longitude"]),
            zones=int(r["zones"]),
            g_co2_per_kwh=float(r["g_co2_per_kwh"]),
            source=f"{titles[r['source']].title}; carbon: {r['carbon_source']}",
        )
        for r in records(FOLDER / "providers" / provider / "regions.csv")
    }


@cache
def places() -> tuple[tuple[str, Place], ...]:
    """Cities and countries under every name they go by."""
    made = []
    for row in records(FOLDER / "places.csv"):
        country = countries()[row["country"]]
        place = _place(row["name"], row, country)
        made += [(name, place) for name in (row["name"], *row["aliases"].split("|")) if name]
        made.append((f"{row['name']}, {row['country']}", place))
    for code, row in countries().items():
        place = _place(row["name"], row, row)
        made += [(name, place) for name in (code, row["name"], *row["aliases"].split("|")) if name]
    return tuple(made)


def _place(name: str, at: Row, country: Row) -> Place:
    return Place(
        name=name,
        country=country["code"],
        jurisdiction=country["jurisdiction"],
        continent=country["continent"],
        latitude=float(at["latitude"]),
        longitude=float(at["longitude"]),
    )


@cache
def land() -> tuple[Array, ...]:
    """Outlines of the world's land, rings of longitude and latitude, coarse enough for a small map."""
    table = np.loadtxt(FOLDER / "land.csv", delimiter=",", skiprows=1, ndmin=2)
    rings = np.split(table[:, 1:], np.flatnonzero(np.diff(table[:, 0])) + 1)
    for ring in rings:
        ring.setflags(write=False)
    return tuple(rings)


def prices(provider: str, as_of: date | None) -> list[list[str]]:
    """Rows of a provider's prices in force on a day; the rows a later one replaced are only read for a past day."""
    now = _price_rows(FOLDER / "providers" / provider / "prices.csv")
    if as_of is None or all(row[6] <= as_of.isoformat() for row in now):
        return now
    day = as_of.isoformat()
    latest: dict[tuple[str, str, str], list[str]] = {}
    for row in dated_prices(provider):
        key = row[0], row[1], row[2]
        if row[6] <= day and (key not in latest or latest[key][6] < row[6]):
            latest[key] = row
    return [latest[key] for key in sorted(latest)]


def dated_prices(provider: str) -> list[list[str]]:
    """Every dated row of a provider there is: those a later one replaced, then those in force."""
    folder = FOLDER / "providers" / provider
    past = folder / "history.csv"
    return [*(_price_rows(past) if past.exists() else ()), *_price_rows(folder / "prices.csv")]


def _price_rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if tuple(rows[0]) != PRICE_NAMES:
        raise DataError("these are not the columns of a price table", where=f"{path.parent.name}/{path.name}, row 1")
    return rows[1:]


def offers(rows: list[tuple[str, list[str]]], day: date) -> Offers:
    """Columns from (provider, cells) rows, aged against a day; the cells are those of `refreshed.NAMES`.

    A source that is no key of sources.csv stands for itself: that of a refreshed price.
    """
    cells = list(zip(*(row for _, row in rows), strict=True)) if rows else [()] * (len(PRICE_NAMES) + 3)
    region, node, option, usd, zones, often, valid_from, source, upfront, seen, _ = cells
    known, origin = options(), sources()
    kinds = [known[o] for o in option]
    titles = {key: f"{s.title}, {s.date}" for key, s in origin.items()}
    dates = [origin[s].date if s in origin else since for s, since in zip(source, valid_from, strict=True)]
    return Offers(
        provider=objects(who for who, _ in rows),
        region=objects(region),
        node=objects(node),
        option=objects(option),
        kind=objects(k.kind for k in kinds),
        micro_usd_per_hour=np.rint(np.array(usd, dtype=float) * MICRO).astype(np.int64),
        upfront_micro_usd=np.rint(np.array(upfront, dtype=float) * MICRO).astype(np.int64),
        term_months=np.array([k.term_months for k in kinds], dtype=np.int64),
        payment=objects(k.payment for k in kinds),
        scope=objects(k.scope for k in kinds),
        zones=np.array(zones, dtype=np.int64),
        interruptions_per_month=np.array(often, dtype=float),
        valid_from=objects(valid_from),
        source=objects(titles.get(s) or f"{s}, {since}" for s, since in zip(source, valid_from, strict=True)),
        age_days=_ages([*map(max, valid_from, dates, seen)], day),
    )


def _ages(seen: list[str], day: date) -> Array:
    """Days since a price was last seen in force: a source newer than the day still confirms an older price."""
    last = np.array(seen, dtype="datetime64[D]")
    return np.asarray(np.maximum((np.datetime64(day) - last).astype(np.int64), 0))
