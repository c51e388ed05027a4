"""How prices came about: their steps, how much each moves, and what moved together."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..money import to_usd
from . import screen
from .screen import Column

if TYPE_CHECKING:
    from costdata.fetch.aws_calls import Calls
    from costdata.history import Change, History

OFFER = ("provider", "region", "node", "option")
STEP_KEYS = (*OFFER, "from", "usd_per_hour", "percent", "days", "share_of_on_demand", "level_shift", "source")
MOVE_KEYS = (
    *(*OFFER, "first", "last_seen", "observed_days", "changes", "changes_per_year", "volatility_percent_per_year"),
    *("trend_percent_per_year", "largest_rise_percent", "largest_rise_day", "largest_fall_percent", "largest_fall_day"),
    *("days_since_change", "lowest_usd_per_hour", "highest_usd_per_hour", "mean_usd_per_hour", "level_shifts"),
)
GROUP_KEYS = ("day", "provider", "option", "percent", "offers", "regions", "nodes")
PERCENT = 100
GONE = "gone"


def price_history(
    filters: Mapping[str, Sequence[str]],
    as_of: str | None,
    show: str,
    style: str,
    *,
    limit: int,
    live_days: int = 0,
    calls: Calls | None = None,
) -> None:
    """The offers that pass the filters: "steps", "moves" of each, "together", or with "all" the three of them.

    With `live_days` AWS's spot prices of these last days, asked for with the user's account; `calls` is how.
    """
    from costdata.history import histories

    some = _live(filters, live_days, calls) if live_days else histories(**filters, as_of=as_of)
    tables = {
        name: (keys, made(some))
        for name, keys, made in (
            ("steps", STEP_KEYS, lambda found: _steps(found, as_of)),
            ("moves", MOVE_KEYS, _moves),
            ("together", GROUP_KEYS, _together),
        )
        if show in (name, "all")
    }
    if style == "json":
        made = {name: [dict(zip(keys, row, strict=True)) for row in rows] for name, (keys, rows) in tables.items()}
        sys.stdout.write(json.dumps(made if show == "all" else made[show], default=str) + "\n")
        return
    if style == "csv":
        keys, rows = tables["steps" if show == "all" else show]
        flat = [["|".join(cell) if isinstance(cell, list) else cell for cell in row] for row in rows]
        screen.print_rows([Column(key, key) for key in keys], flat, style)
        return
    for name, (keys, rows) in tables.items():
        heads = [column for column in HEADS[name] if column.key != "level_shift" or _noisy(rows)]
        screen.print_rows(heads, [[row[keys.index(c.key)] for c in heads] for row in rows], style, limit=limit)
    screen.console().print(f"{len(some):,} offers. Percent a year: the root of the summed squared log changes a year.")


def _live(filters: Mapping[str, Sequence[str]], days: int, calls: Calls | None) -> Sequence[History]:
    """Of shapes with accelerators, and all regions that the account sees, where the filters name none.

    Raises:
        InputError: the filters ask for what is not AWS's spot.
        DataError: AWS cannot be asked, or a name is unknown.
    """
    from datetime import UTC, datetime

    from costdata.fetch.aws import AWS, REGIONS
    from costdata.fetch.aws_spot import spot_histories
    from costdata.fetch.rows import Known

    if set(filters.get("provider", [AWS])) != {AWS} or set(filters.get("option", ["spot"])) != {"spot"}:
        raise InputError("live prices are AWS's, of spot", where="--live", mend="leave --provider and --option out")
    known = Known.of([AWS])
    shapes = {node: about for (_, node), about in known.nodes.items()}
    nodes = [_known("node", name, shapes) for name in filters.get("node", ())]
    asked: dict[str, Any] = {
        "regions": [_known("region", name, REGIONS) for name in filters.get("region", ())] or None,
        "nodes": nodes or [node for node, about in shapes.items() if about.accelerators],
    }
    return spot_histories(calls or _calls(), known, **asked, days=days, now=datetime.now(UTC))


def _known(what: str, name: str, names: Collection[str]) -> str:
    from costdata.errors import nearest, shown

    if name not in names:
        raise InputError(f"unknown {what} {shown(name)}", where=what, mend=nearest(name, names))
    return name


def _calls() -> Calls:
    from costdata import fetch
    from costdata.fetch.aws_calls import Calls
    from costdata.fetch.client import Client
    from costdata.fetch.wire import Internet

    source = fetch.source("aws")
    return Calls(Client(source.hosts, Internet(), pause_s=source.pause_s))


def _steps(some: Sequence[History], as_of: str | None) -> list[list[Any]]:
    import numpy as np

    from costdata import packaged

    beside = _on_demand(some, as_of)
    titles = {key: source.title for key, source in packaged.sources().items()}
    rows = []
    for history in some:
        shifts = {change.day for change in history.level_shifts}
        changes = {change.day: change for change in history.changes}
        days = [*history.days.tolist(), history.until]
        for at, usd in enumerate(history.micro_usd_per_hour.tolist()):
            day, change = days[at], changes.get(days[at])
            full = beside.get(history.key[:3])
            known = full is not None and bool(full.days[0] <= history.days[at])
            whole = int(full.on(np.datetime64(day, "D"))) if full is not None and known else 0
            share = round(usd / whole, 4) if usd and whole and history.option == "spot" else None
            price = to_usd(usd) if usd else None
            source = GONE if not usd else titles.get(history.sources[at], history.sources[at])
            length = (days[at + 1] - day).days
            rows.append([*history.key, day, price, _percent(change), length, share, day in shifts, source])
    return rows


def _on_demand(some: Sequence[History], as_of: str | None) -> dict[tuple[str, ...], History]:
    """Of the spot offers the histories on demand beside them."""
    from costdata.history import histories

    spot = [history for history in some if history.option == "spot"]
    if not spot:
        return {}
    providers = {history.provider for history in spot}
    return {history.key[:3]: history for history in histories(provider=providers, option="on_demand", as_of=as_of)}


def _noisy(rows: Sequence[Sequence[Any]]) -> bool:
    """Whether some change is no shift of level: without noise each one is."""
    moved, shifted = STEP_KEYS.index("percent"), STEP_KEYS.index("level_shift")
    return any(row[moved] is not None and not row[shifted] for row in rows)


def _percent(change: Change | None) -> float | None:
    return round(PERCENT * (change.factor - 1), 3) if change else None


def _moves(some: Sequence[History]) -> list[list[Any]]:
    rows = []
    for history in some:
        moved = history.volatility
        ends = [
            end for extreme in (moved.largest_rise, moved.largest_fall) for end in (_percent(extreme), _day(extreme))
        ]
        shares = [moved.changes_per_year, *(_scaled(x) for x in (moved.per_year, moved.trend_per_year))]
        usd = [to_usd(round(x)) for x in (moved.lowest_micro_usd, moved.highest_micro_usd, moved.mean_micro_usd)]
        first = history.days[0].item()
        seen = [
            first,
            history.until,
            moved.observed_days,
            moved.changes,
            *(x if x is None else round(x, 2) for x in shares),
        ]
        rows.append([*history.key, *seen, *ends, moved.days_since_change, *usd, len(history.level_shifts)])
    return rows


def _day(change: Change | None) -> Any:
    return change.day if change else None


def _scaled(share: float | None) -> float | None:
    return None if share is None else PERCENT * share


def _together(some: Sequence[History]) -> list[list[Any]]:
    from costdata.history import moved_together

    return [
        [
            group.day, group.provider, group.option, round(PERCENT * (group.factor - 1), 3), len(group.keys),
            *(sorted({key[at] for key in group.keys}) for at in (1, 2)),
        ]
        for group in moved_together(some)
    ]  # fmt: skip


def _usd(value: Decimal | None) -> str:
    return "" if value is None else f"{value:,.4f}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


def _plain(value: Any) -> str:
    return "" if value is None else str(value)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")  # noqa: PLR2004


WHAT = tuple(Column(name, name.capitalize()) for name in OFFER)
HEADS = {
    "steps": (
        *WHAT,
        Column("from", "From"),
        Column("usd_per_hour", "$/hour", _usd, right=True),
        Column("percent", "%", _signed, right=True),
        Column("days", "Days", right=True),
        Column("share_of_on_demand", "Of on demand", _plain, right=True),
        Column("level_shift", "Shift", lambda value: "yes" if value else ""),
    ),
    "moves": (
        *WHAT,
        Column("observed_days", "Days seen", right=True),
        Column("changes", "Changes", right=True),
        Column("volatility_percent_per_year", "% a year", _plain, right=True),
        Column("largest_rise_percent", "Most up", _signed, right=True),
        Column("largest_fall_percent", "Most down", _signed, right=True),
        Column("days_since_change", "Days since", _plain, right=True),
    ),
    "together": (
        Column("day", "Day"),
        Column("provider", "Provider"),
        Column("option", "Option"),
        Column("percent", "%", _signed, right=True),
        Column("offers", "Offers", right=True),
        Column("regions", "Regions", _few),
        Column("nodes", "Nodes", _few),
    ),
}
