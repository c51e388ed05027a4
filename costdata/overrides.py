"""A folder of the user's own tables, applied last: shapes, regions, offers, discounts, quotas, commitments, carbon."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from . import cells, check, held, mechanisms, packaged, rows
from .catalog import Catalog
from .cells import Column, Row
from .errors import DataError, nearest, shown
from .schema import EVERY, OFFER_NAMES, Node, Offers, Quota, Region, objects

HOURS = 24


def tables() -> dict[str, dict[str, Column]]:
    """The columns of each file; what has no default must be filled."""
    options, place = packaged.options(), {"provider": rows.NEEDED, "region": rows.NEEDED}
    return {
        "offers": {
            **place,
            "node": rows.NEEDED,
            "option": Column(cells.choice(options), "on_demand"),
            "price_per_hour": Column(cells.money),
            "currency": rows.DOLLAR,
            "upfront": rows.UPFRONT,
            "free": Column(cells.yes, default=False),
            "zones": Column(cells.whole(1, 99), 1),
            "interruptions_per_month": Column(cells.number(0, 1000), Decimal(0)),
            "valid_from": Column(cells.day, None),
            "source": rows.REMARK,
        },
        "discounts": {
            "provider": rows.ANY,
            "region": rows.ANY,
            "node": rows.ANY,
            "option": rows.ANY,
            "percent": Column(cells.number(0, 99.999999), Decimal(0)),
            "fee_per_hour": rows.ZERO,
            "currency": rows.DOLLAR,
            "source": rows.REMARK,
        },
        "nodes": {
            "provider": rows.NEEDED,
            "node": rows.NEEDED,
            "accelerator": Column(cells.choice(packaged.accelerators()), ""),
            "accelerators": Column(cells.whole(0, 1024), 0),
            "vcpus": Column(cells.whole(1, 100_000)),
            "ram_gib": Column(cells.number(0.1, 1_000_000)),
            "nic_gbit_per_s": Column(cells.number(0, 1_000_000), Decimal(0)),
            "scaleup_gb_per_s": Column(cells.number(0, 100_000), None),
            "scaleup_domain": Column(cells.whole(1, 100_000), None),
            "power_w": Column(cells.whole(1, 1_000_000)),
            "source": rows.REMARK,
        },
        "regions": {
            **place,
            "location": rows.REMARK,
            "country": Column(cells.choice(packaged.countries())),
            "latitude": Column(cells.degrees(90)),
            "longitude": Column(cells.degrees(180)),
            "zones": Column(cells.whole(1, 99), 1),
            "g_co2_per_kwh": Column(cells.number(0, 3000)),
            "source": rows.REMARK,
        },
        "carbon": {
            **place,
            "hour_utc": Column(cells.whole(0, 23)),
            "g_co2_per_kwh": Column(cells.number(0, 3000)),
            "source": rows.REMARK,
        },
        "quotas": {
            "provider": rows.NEEDED,
            "region": rows.ANY,
            "node": rows.ANY,
            "kind": Column(cells.choice(("any", "on_demand", "spot")), "any"),
            "max_nodes": Column(cells.whole(0, 1_000_000)),
        },
        "commitments": held.columns(),
        "fx": {
            "currency": rows.NEEDED,
            "usd_per_unit": Column(cells.number(0.000001, 1000)),
            "valid_from": Column(cells.day),
            "source": rows.NEEDED,
        },
    }


def applied(catalog: Catalog, folder: str | os.PathLike[str]) -> Catalog:
    """The catalogue with a folder of overrides on top."""
    read = _files(folder)
    catalog = replace(
        catalog,
        overrides=os.fspath(folder),
        nodes={**catalog.nodes, **_nodes(read["nodes"], catalog)},
        regions=(regions := {**catalog.regions, **_regions(read["regions"], catalog)}),
        atlas=regions,
    )
    rates = _rates(read["fx"], catalog.as_of)
    offers = _discounted(catalog.offers, read["discounts"], catalog, rates)
    offers = _with_private(offers, read["offers"], catalog, rates)
    nodes, spend = held.commitments(read["commitments"], catalog, rates)
    quotas = _quotas(read["quotas"], catalog)
    carbon = _carbon(read["carbon"], catalog)
    return replace(catalog, offers=offers, quotas=quotas, commitments=nodes, spend_commitments=spend, carbon=carbon)


def _files(folder: str | os.PathLike[str]) -> dict[str, list[Row]]:
    known = tables()
    files = [f"{stem}.csv" for stem in known]
    at = f"overrides {shown(folder)}"
    try:
        if not os.fspath(folder):
            raise ValueError("an empty name")
        path = Path(folder)
        present = sorted(entry.name for entry in path.iterdir() if entry.name.casefold().endswith(".csv"))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"not a folder that can be read: {error}", where=at, mend="name one with your tables") from None
    for name in present:
        if name not in files:
            raise DataError(f"unknown table {shown(name)}", where=at, mend=nearest(name, files))
    if not present:
        raise DataError("no table in the folder", where=at, mend=f"it may hold {', '.join(files)}")
    return {stem: cells.rows(path / f"{stem}.csv", known[stem]) if f"{stem}.csv" in present else [] for stem in known}


def _new(row: Row, what: str, known: Mapping[tuple[str, str], Any]) -> None:
    if (row["provider"], row[what]) in known:
        raise rows.fault(row, what, f"{row['provider']} has a {what} {row[what]} already", "give yours another name")
    if "/" in row["provider"] or "/" in row[what] or EVERY in (row["provider"], row[what]):
        raise rows.fault(row, what, "a name with / or *", "use other characters")


def _nodes(read: list[Row], catalog: Catalog) -> dict[tuple[str, str], Node]:
    cells.unique(read, ("provider", "node"))
    made = {}
    for row in read:
        _new(row, "node", catalog.nodes)
        count, chip = row["accelerators"], catalog.accelerators.get(row["accelerator"])
        if bool(count) != bool(chip):
            text = "an accelerator without a number, or the reverse"
            raise rows.fault(row, "accelerators", text, "fill both or none")
        scaleup = row["scaleup_gb_per_s"]
        if count > 1 and scaleup is None:
            mend = "GB/s one way: 450 for NVLink 4, 64 for PCIe 5"
            raise rows.fault(row, "scaleup_gb_per_s", "several accelerators and no link between them", mend)
        made[row["provider"], row["node"]] = Node(
            provider=row["provider"],
            name=row["node"],
            accelerator=row["accelerator"],
            accelerators=count,
            vcpus=row["vcpus"],
            ram_gib=float(row["ram_gib"]),
            nic_gbit_per_s=float(row["nic_gbit_per_s"]),
            scaleup_gb_per_s=float(scaleup or 0),
            scaleup_domain=row["scaleup_domain"] or count,
            power_w=row["power_w"],
            source=row["source"] or row["where"],
        )
    return made


def _regions(read: list[Row], catalog: Catalog) -> dict[tuple[str, str], Region]:
    cells.unique(read, ("provider", "region"))
    made = {}
    for row in read:
        _new(row, "region", catalog.regions)
        country = packaged.countries()[row["country"]]
        made[row["provider"], row["region"]] = Region(
            provider=row["provider"],
            name=row["region"],
            location=row["location"] or row["region"],
            country=row["country"],
            jurisdiction=country["jurisdiction"],
            continent=country["continent"],
            latitude=row["latitude"],
            longitude=row["longitude"],
            zones=row["zones"],
            g_co2_per_kwh=float(row["g_co2_per_kwh"]),
            source=row["source"] or row["where"],
        )
    return made


def _carbon(read: list[Row], catalog: Catalog) -> dict[tuple[str, str], tuple[float, ...]]:
    """Grams a kilowatt-hour by UTC hour; hours without a row have the region's average."""
    cells.unique(read, ("provider", "region", "hour_utc"))
    made: dict[tuple[str, str], list[float]] = {}
    for row in read:
        rows.known(row, "provider", {p for p, _ in catalog.regions})
        rows.known(row, "region", {r for p, r in catalog.regions if p == row["provider"]})
        key = row["provider"], row["region"]
        hours = made.setdefault(key, [catalog.regions[key].g_co2_per_kwh] * HOURS)
        hours[row["hour_utc"]] = float(row["g_co2_per_kwh"])
    return {key: tuple(hours) for key, hours in made.items()}


def _rates(read: list[Row], day: date) -> rows.Rates:
    cells.unique(read, ("currency", "valid_from"))
    in_force = sorted((row for row in read if row["valid_from"] <= day), key=lambda row: row["valid_from"])
    return rows.Rates({row["currency"]: row["usd_per_unit"] for row in in_force}, day)


def _discounted(offers: Offers, read: list[Row], catalog: Catalog, rates: rows.Rates) -> Offers:
    """Percentages multiply, then fees add; rounded once, half to even. The fee is per hour, never upfront."""
    cells.unique(read, ("provider", "region", "node", "option", "percent", "fee_per_hour", "currency"))
    hour, upfront = offers.micro_usd_per_hour.tolist(), offers.upfront_micro_usd.tolist()
    factor: dict[int, Fraction] = {}
    fee: dict[int, int] = {}
    source = offers.source.tolist()
    for row in read:
        _known_patterns(row, catalog)
        if not row["percent"] and not row["fee_per_hour"]:
            raise DataError("neither a percentage nor a fee", where=row["where"], mend="fill percent or fee_per_hour")
        matched = np.flatnonzero(_matches(offers, row)).tolist()
        if not matched:
            raise DataError("matches no offer", where=row["where"], mend="mend the patterns, or take the row out")
        kept = 1 - Fraction(row["percent"]) / 100
        more = rates.micro_usd(row, "fee_per_hour")
        for i in matched:
            factor[i] = factor.get(i, Fraction(1)) * kept
            fee[i] = fee.get(i, 0) + more
            source[i] = f"{source[i]}; {row['source'] or row['where']}"
    for i, kept in factor.items():
        hour[i] = round(hour[i] * kept) + fee[i]
        upfront[i] = round(upfront[i] * kept)
    columns = {**offers.columns(), "micro_usd_per_hour": np.array(hour, dtype=np.int64)}
    columns |= {"upfront_micro_usd": np.array(upfront, dtype=np.int64), "source": objects(source)}
    return Offers(**columns)


def _known_patterns(row: Row, catalog: Catalog) -> None:
    """A name without a wildcard must be a known one: a slip of the pen would match nothing, unnoticed."""
    known = {
        "provider": {p for p, _ in catalog.regions},
        "region": {r for _, r in catalog.regions},
        "node": {n for _, n in catalog.nodes},
        "option": set(packaged.options()),
    }
    for name, names in known.items():
        if not any(c in row[name] for c in "*?["):
            rows.known(row, name, names)


def _matches(offers: Offers, row: Row) -> Any:
    kept = np.ones(len(offers), dtype=bool)
    for name in ("provider", "region", "node", "option"):
        if row[name] != EVERY:
            column = getattr(offers, name)
            hits = {value for value in set(column.tolist()) if fnmatchcase(value, row[name])}
            kept &= np.array([value in hits for value in column.tolist()], dtype=bool)
    return kept


def _with_private(offers: Offers, read: list[Row], catalog: Catalog, rates: rows.Rates) -> Offers:
    """Private offers are net prices, and take the place of the list price of the same key."""
    cells.unique(read, ("provider", "region", "node", "option"))
    made = [_private(row, catalog, rates) for row in read if (row["valid_from"] or catalog.as_of) <= catalog.as_of]
    if not made:
        return offers
    own = {tuple(row[name] for name in check.KEY) for row in made}
    keys = zip(*(getattr(offers, name).tolist() for name in check.KEY), strict=True)
    listed = offers.take(np.array([key not in own for key in keys], dtype=bool))
    like = offers.columns()
    private = {name: np.array([row[name] for row in made], dtype=like[name].dtype) for name in OFFER_NAMES}
    return Offers.joined([listed, Offers(**private)])


def _private(row: Row, catalog: Catalog, rates: rows.Rates) -> Row:
    rows.placed(row, catalog)
    option = packaged.options()[row["option"]]
    hour, upfront = rates.micro_usd(row, "price_per_hour"), rates.micro_usd(row, "upfront")
    rows.not_by_accident(row, hour + upfront)
    if option.kind == "commitment" and rows.mechanism(row).unit == mechanisms.USD:
        if upfront:  # what is paid at once is a share of the commitment, not of a node
            text = f"{option.option} commits to dollars an hour: a shape has a rate, and nothing upfront"
            raise rows.fault(row, "upfront", text, "give the rate of an hour as price_per_hour, and leave upfront out")
    elif upfront and option.kind != "commitment":
        raise rows.fault(row, "upfront", "money upfront for no commitment", "name a commitment, or 0")
    elif not upfront and option.payment in {"all_upfront", "partial_upfront"}:
        raise rows.fault(row, "upfront", f"{option.option} without money upfront", "fill it, or name another option")
    since = row["valid_from"] or catalog.as_of
    return {
        **{name: row[name] for name in check.KEY},
        "kind": option.kind,
        "micro_usd_per_hour": hour,
        "upfront_micro_usd": upfront,
        "term_months": option.term_months,
        "payment": option.payment,
        "scope": option.scope,
        "zones": row["zones"],
        "interruptions_per_month": float(row["interruptions_per_month"]),
        "valid_from": since.isoformat(),
        "source": f"{row['source'] or 'private offer'} ({row['where']})",
        "age_days": (catalog.as_of - since).days,
    }


def _quotas(read: list[Row], catalog: Catalog) -> tuple[Quota, ...]:
    cells.unique(read, ("provider", "region", "node", "kind"))
    made = []
    for row in read:
        rows.known(row, "provider", {p for p, _ in catalog.regions})
        rows.known(row, "region", {EVERY, *(r for p, r in catalog.regions if p == row["provider"])})
        rows.known(row, "node", {EVERY, *(n for p, n in catalog.nodes if p == row["provider"])})
        made.append(Quota(**{name: row[name] for name in ("provider", "region", "node", "kind", "max_nodes")}))
    return tuple(sorted(made, key=lambda q: (q.provider, q.region, q.node, q.kind)))
