"""Fresh prices: ask the sources, and say what changed, what was held back and what failed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from . import screen
from .guard import INTERNAL, plain, say
from .screen import Column

if TYPE_CHECKING:
    from costdata.fetch.refresh import Asked, Report

PROXIES = ("HTTPS_PROXY", "https_proxy")
KINDS = {"held": "held back", "changed": "changed", "added": "new", "gone": "gone"}
CHANGE_KEYS = (
    *("source", "kind", "provider", "region", "node", "option", "usd_per_hour_before", "usd_per_hour", "percent"),
    "reason",
)


def refresh(
    names: Sequence[str],
    how: Asked | None,
    style: str,
    *,
    limit: int,
    proxy: bool = False,
    wire: Any = None,
    **accepted: bool,
) -> int:
    """Refresh sources one after the other, all of them when none is named; 1 when one of them failed.

    `how` is where and when, None the user's folder and today; `wire` is how hosts are reached, None the internet.
    """
    from costdata import fetch
    from costdata.fetch.refresh import refresh as refreshed

    sources = [fetch.source(name) for name in dict.fromkeys(names or fetch.NAMES)]
    asked = how or _asked(**accepted)
    wire = wire or _wire(proxy=proxy)
    reports = []
    for source in sources:
        _needed(source.extra)
        reports.append(refreshed(source, _client(source, wire), asked))
    _show(reports, style, limit, asked)
    for report in reports:
        if report.error:
            say(f"{report.error}; its prices are as they were", report.where, report.mend)
    return INTERNAL if any(report.error for report in reports) else 0


def _asked(**accepted: bool) -> Asked:
    from costdata import refreshed
    from costdata.fetch.refresh import Asked, today

    folder = refreshed.folder()
    if folder is None:
        mend = f"name a folder, or unset {refreshed.VARIABLE}"
        raise InputError("no folder for refreshed prices", where=refreshed.VARIABLE, mend=mend)
    return Asked(folder=folder, day=today(), **accepted)


def _needed(extra: str) -> None:
    """The library that asks is there."""
    try:
        import urllib3  # noqa: F401
    except ImportError:
        mend = f"pip install 'autoparallel-planner[{extra}]'"
        raise InputError("the library that asks price sources is not installed", where="refresh", mend=mend) from None


def _client(source: Any, wire: Any) -> Any:
    from costdata.fetch.client import Client

    return Client(source.hosts, wire, pause_s=source.pause_s)


def _wire(*, proxy: bool) -> Any:
    """The internet, or the proxy that the environment names where the user wants it."""
    import os

    from costdata.fetch.wire import Internet, Proxy

    if not proxy:
        return Internet()
    url = next((os.environ[name] for name in PROXIES if os.environ.get(name)), "")
    if not url:
        raise InputError("the environment names no proxy", where="--proxy", mend="set HTTPS_PROXY")
    return Proxy(url)


def _show(reports: Sequence[Report], style: str, limit: int, asked: Asked) -> None:
    if style == "json":
        import json

        sys.stdout.write(json.dumps([_document(report) for report in reports], indent=1) + "\n")
        return
    columns = [Column(key, key) for key in CHANGE_KEYS]
    rows = [row for report in reports for row in _changes(report)]
    if style == "csv":
        screen.print_rows(columns, rows, style)
        return
    _summary(reports)
    _dropped(reports)
    if rows:
        screen.print_rows(_heads(), [_row(row) for row in rows], style, limit=limit)
    _last(reports, asked)


def _summary(reports: Sequence[Report]) -> None:
    names = ("Source", "Read", "Kept", "Dropped", "Prices", "Same", "Changed", "New", "Gone", "Held back", "Outranked")
    heads = [Column(name, name, right=name != "Source") for name in names]
    rows = []
    for r in reports:
        made = r.compared
        parts = (made.same, made.changed, made.added, made.gone, made.held, made.outranked)
        counts = [r.read, r.kept, sum(r.dropped.values()), r.prices, *(len(part) for part in parts)]
        rows.append([r.source, *(f"{count:,}" for count in counts)])
    screen.print_rows(heads, rows, "table")


def _dropped(reports: Sequence[Report]) -> None:
    heads = [
        Column("source", "Source"),
        Column("rows", "Rows", right=True),
        Column("why", "Left out"),
        Column("what", "Such as"),
    ]
    rows = [
        [report.source, f"{count:,}", why, "; ".join(report.examples.get(why, ()))]
        for report in reports
        for reasons in (report.dropped, report.unpriced)
        for why, count in sorted(reasons.items(), key=lambda item: -item[1])
    ]
    if rows:
        screen.print_rows(heads, rows, "table")


def _heads() -> list[Column]:
    left = [Column("kind", ""), Column("where", "Where"), Column("node", "Node"), Column("option", "Option")]
    right = [
        Column("before", "Was $/h", right=True),
        Column("after", "Is $/h", right=True),
        Column("percent", "%", right=True),
    ]
    return [*left, *right, Column("why", "Why")]


def _row(cells: Sequence[Any]) -> list[str]:
    _, kind, provider, region, node, option, before, after, percent, reason = cells
    said = "" if percent is None else f"{percent:+.1f}"
    return [kind, f"{provider} {region}", node, option, _usd(before), _usd(after), said, reason]


def _usd(value: Any) -> str:
    return "" if value is None else f"{value:,.4f}"


def _changes(report: Report) -> list[list[Any]]:
    from costdata.fetch.refresh import changes

    return [
        [
            report.source,
            KINDS[kind],
            *c.key,
            c.before,
            c.after,
            None if c.percent is None else round(c.percent, 2),
            c.reason,
        ]
        for kind, c in changes(report)
    ]


def _document(report: Report) -> dict[str, Any]:
    names = ("source", "title", "read", "kept", "dropped", "unpriced", "examples", "prices", "requests", "generation")
    made = report.compared
    rows = [dict(zip(CHANGE_KEYS[1:], row[1:], strict=True)) for row in _changes(report)]
    for row in rows:
        for key in ("usd_per_hour_before", "usd_per_hour"):
            row[key] = None if row[key] is None else f"{row[key]:f}"
    fault = {"message": report.error, "where": report.where, "mend": report.mend} if report.error else None
    return {
        **{name: getattr(report, name) for name in names},
        **{name: len(getattr(made, name)) for name in ("same", "changed", "added", "gone", "held", "outranked")},
        "day": report.day.isoformat(), "changes": rows, "error": fault,
    }  # fmt: skip


def _last(reports: Sequence[Report], asked: Asked) -> None:
    """What is in force now, and where what was held back stands."""
    out = screen.console()
    held = [report for report in reports if report.compared.held]
    if asked.dry_run:
        out.print("Nothing was written (--dry-run).")
        return
    done = [report for report in reports if report.generation is not None]
    for report in done:
        out.print(
            plain(f"{report.source}: generation {report.generation} is in force, in {asked.folder}."), markup=False
        )
    for report in held:
        if report.generation is not None:
            path = Path(asked.folder) / "review" / f"{report.source}.csv"
            text = f"{report.source}: look at {path}; --accept-outliers lets in what is still so."
            out.print(plain(text), markup=False)
