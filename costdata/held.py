"""Commitments the user holds already, row by row of commitments.csv: whole nodes, and dollars an hour."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from . import cells, mechanisms, packaged, rows
from .cells import MICRO, Column, Row
from .errors import shown
from .schema import EVERY, HOURS_A_DAY, PAYMENTS, OwnedCommitment, SpendCommitment

if TYPE_CHECKING:
    from .catalog import Catalog
    from .mechanisms import Mechanism

KEY = ("provider", "region", "node", "option", "starts", "ends", "account")
COMMON = ("provider", "region", "option", "starts", "ends", "account", "renewable")
LONGEST_TERM_YEARS = 10
HALF = Decimal("0.5")
MOST_USD_PER_HOUR = 1_000_000  # AWS: a savings plan commits to no more
MOST_AT_ONCE_USD = MOST_USD_PER_HOUR * HOURS_A_DAY * 366 * LONGEST_TERM_YEARS


def columns() -> dict[str, Column]:
    """The columns of commitments.csv; which of them a row needs depends on what its option commits to."""
    return {
        "provider": rows.NEEDED,
        "region": rows.ANY,
        "node": rows.ANY,
        "option": Column(cells.choice(o for o, kind in packaged.options().items() if kind.kind == "commitment")),
        "nodes": Column(cells.whole(1, 1_000_000), None),
        "price_per_hour": Column(cells.money, None),
        "usd_per_hour": Column(cells.number(0, MOST_USD_PER_HOUR), None),
        "currency": rows.DOLLAR,
        "upfront": Column(cells.amount(MOST_AT_ONCE_USD), None),
        "free": Column(cells.yes, default=False),
        "payment": Column(cells.choice(PAYMENTS), ""),
        "starts": Column(cells.day),
        "ends": Column(cells.day),
        "renewable": Column(cells.yes, default=False),
        "account": rows.REMARK,
        "source": rows.REMARK,
    }


def commitments(
    read: list[Row], catalog: Catalog, rates: rows.Rates
) -> tuple[tuple[OwnedCommitment, ...], tuple[SpendCommitment, ...]]:
    """Those of whole nodes, and those of dollars an hour."""
    cells.unique(read, KEY)
    nodes, spend = [], []
    for row in read:
        rows.known(row, "provider", {p for p, _ in catalog.nodes} | {p for p, _ in catalog.regions})
        what = rows.mechanism(row)
        if what.unit == mechanisms.NODE:
            nodes.append(_nodes(row, catalog, rates))
        else:
            spend.append(_spend(row, what, catalog))
    return tuple(sorted(nodes, key=repr)), tuple(sorted(spend, key=repr))


def _nodes(row: Row, catalog: Catalog, rates: rows.Rates) -> OwnedCommitment:
    rows.placed(row, catalog)
    _empty(row, "usd_per_hour", f"{row['option']} commits to whole nodes", "fill nodes and price_per_hour instead")
    for name in ("nodes", "price_per_hour"):
        if row[name] is None:
            raise rows.fault(row, name, "the cell is empty", "fill it")
    if row["upfront"] is not None and row["upfront"] > cells.MOST_AT_ONCE:
        text = f"{row['upfront']} is not between 0 and {cells.MOST_AT_ONCE}"
        raise rows.fault(row, "upfront", text, "give what one node costs at once")
    upfront = 0 if row["upfront"] is None else rates.micro_usd(row, "upfront")
    hour = rates.micro_usd(row, "price_per_hour")
    rows.not_by_accident(row, hour + upfront)
    _term(row)
    paid = "no_upfront" if not upfront else "partial_upfront" if hour else "all_upfront"
    if row["payment"] not in {"", paid} and hour + upfront:
        text = f"{row['payment']}, where upfront and price_per_hour say {paid}"
        raise rows.fault(row, "payment", text, "mend one of them, or leave the payment out")
    return OwnedCommitment(
        **_common(row),
        node=row["node"],
        nodes=row["nodes"],
        micro_usd_per_hour=hour,
        upfront_micro_usd=upfront,
        payment=row["payment"] or paid,
    )


def _spend(row: Row, what: Mechanism, catalog: Catalog) -> SpendCommitment:
    _bound(row, what, catalog)
    for name in ("nodes", "price_per_hour"):
        _empty(row, name, f"{row['option']} commits to dollars an hour", "fill usd_per_hour instead")
    if not row["usd_per_hour"]:
        said = "the cell is empty" if row["usd_per_hour"] is None else "a commitment to nothing"
        raise rows.fault(row, "usd_per_hour", said, "fill in the dollars committed an hour")
    if row["currency"] != "USD":
        raise rows.fault(row, "currency", f"dollars an hour in {shown(row['currency'])}", "leave it out: dollars")
    if row["free"]:
        raise rows.fault(row, "free", "free, and a commitment to spend", "leave it out")
    _term(row)
    _, _, node = what.key((row["provider"], row["region"], row["node"]))
    made = SpendCommitment(
        **_common(row),
        family=node,
        micro_usd_per_hour=int(row["usd_per_hour"] * MICRO),
        upfront_micro_usd=0,
        payment=row["payment"] or packaged.options()[row["option"]].payment,
    )
    return _paid(row, made, what)


def _bound(row: Row, what: Mechanism, catalog: Catalog) -> None:
    """Region and node are named exactly where the commitment is bound to them."""
    shapes = {n for p, n in catalog.nodes if p == row["provider"]}
    if what.reach == "global":
        _empty(row, "region", f"{what.title} holds in every region", "leave the region out")
    else:
        rows.known(row, "region", {r for p, r in catalog.regions if p == row["provider"]})
    if what.extent == "provider":
        _empty(row, "node", f"{what.title} holds for every shape", "leave the node out")
    else:
        rows.known(row, "node", shapes | {mechanisms.family(row["provider"], name) for name in shapes})


def _paid(row: Row, made: SpendCommitment, what: Mechanism) -> SpendCommitment:
    """With what is paid at once: as given, else all, the mechanism's share or nothing of the whole term."""
    whole = made.micro_usd_per_hour * made.hours
    part = what.upfront_share or HALF
    share = {"no_upfront": Decimal(0), "all_upfront": Decimal(1)}.get(made.payment, part)
    if row["upfront"] is None:
        return replace(made, upfront_micro_usd=round(whole * share))
    upfront = int(row["upfront"] * MICRO)
    if upfront > whole:
        text = f"more than the whole term, ${Decimal(whole) / MICRO}"
        raise rows.fault(row, "upfront", text, "mend the amount or the days")
    if bool(upfront) == (made.payment == "no_upfront"):
        text = f"${row['upfront']} at once, and {made.payment}"
        raise rows.fault(row, "payment" if row["payment"] else "upfront", text, "mend one of them")
    return replace(made, upfront_micro_usd=upfront)


def _common(row: Row) -> dict[str, Any]:
    return {**{name: row[name] for name in COMMON}, "source": row["source"] or row["where"]}


def _empty(row: Row, name: str, message: str, mend: str) -> None:
    if row[name] not in {None, EVERY}:
        raise rows.fault(row, name, message, mend)


def _term(row: Row) -> None:
    if not row["starts"] < row["ends"] or row["ends"].year - row["starts"].year > LONGEST_TERM_YEARS:
        text = f"from {row['starts']} to {row['ends']} is no term"
        raise rows.fault(row, "ends", text, "the end comes after the start, within ten years")
