"""One source's refresh: ask, account for every row, compare, hold back, put in force by one rename."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from .. import check, dated, packaged, refreshed
from ..errors import DataError
from . import NAMES, compare, source, store
from .compare import Change, Compared, Key, Rules
from .errors import FetchError
from .redact import Redactor, quiet
from .rows import Known, Ledger, Price, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ..refreshed import Cells, Refreshed
    from .client import Client

REVIEW = ("provider", "region", "node", "option", "usd_in_force", "usd_held_back", "reason", "day")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How to refresh; `day` is what new prices are dated."""

    folder: Path
    day: date
    dry_run: bool = False
    accept_outliers: bool = False
    accept_gone: bool = False


@dataclass(kw_only=True)
class Report:
    """What became of one source: rows read = kept + dropped; prices = same + outranked + added + changed + held.

    `error` says why nothing was changed, "" where all went well; `generation` is the one now in force, None for
    a dry run or an error.
    """

    source: str
    title: str
    day: date
    read: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    unpriced: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    prices: int = 0
    compared: Compared = field(default_factory=Compared)
    requests: int = 0
    generation: int | None = None
    error: str = ""
    where: str = ""
    mend: str = ""


def refresh(what: Source, client: Client, how: Asked) -> Report:
    """Refresh one source's prices.

    What goes wrong is in the report, and leaves the prices in force as they were. No credential is in it.
    """
    report = Report(source=what.name, title=what.title, day=how.day)
    try:
        with quiet():
            _refresh(what, client, how, report)
    except DataError as error:
        report.error, report.where, report.mend = error.message, error.where or what.name, error.mend
    except Exception as error:  # noqa: BLE001 (an importer met what it does not know; its text may hold anything)
        report.error, report.where = f"{type(error).__name__} in the importer", what.name
        report.mend = "report this: the source may have changed its form"
    report.requests = client.requests
    return _redacted(report, Redactor(client.secrets))


def _refresh(what: Source, client: Client, how: Asked, report: Report) -> None:
    if how.dry_run:
        _compare(what, client, how, report, refreshed.current(how.folder))
        return
    with store.locked(how.folder):
        base = refreshed.current(how.folder)
        made = _compare(what, client, how, report, base)
        store.put_by(how.folder, f"{what.name}.csv", _review(report))
        store.commit(made)
        report.generation = made.number


def _compare(what: Source, client: Client, how: Asked, report: Report, base: Refreshed | None) -> Refreshed:
    """Ask, account, compare; the generation that is to be in force."""
    ledger = Ledger()
    prices = list(what.fetch(client, Known.of(what.providers), ledger))
    _account(ledger, prices, report)
    mine = _in_force(what.providers, base)
    _in_time(mine, what, base, how.day)
    reviewed = _reviewed(how.folder / store.REVIEW / f"{what.name}.csv") if how.accept_outliers else {}
    rules = Rules(title=what.title, own=what.own, owners=_owners(), day=how.day, reviewed=reviewed)
    made = report.compared = compare.compared(prices, mine, rules)
    _hold_back(made, mine, base, rules)
    there = (p.key for p in prices if p.key not in {c.key for c in made.held if c.reason == compare.NO_MARKET})
    listed = {key: row for key, row in mine.items() if (key[0], key[2]) not in ledger.elsewhere}
    made.gone, scope = compare.vanished(listed, there, ledger.covered, rules)
    if made.prices != len(prices):
        raise FetchError(f"{len(prices)} prices, of which {made.prices} are accounted for", mend="report this")
    if len(made.gone) > compare.MOST_GONE * scope and not how.accept_gone:
        text = f"{len(made.gone)} of {scope} offers in force are not in it any more"
        raise FetchError(text, mend="look at the source; --accept-gone takes them out")
    tables = {who: _table(who, made, base, rules) for who in what.providers}
    after = store.drawn_up(how.folder, base, tables, how.day.isoformat())
    _sound(mine, made, after, what.providers)
    return after


def _sound(before: Mapping[Key, Cells], made: Compared, after: Refreshed, providers: tuple[str, ...]) -> None:
    """What would be read is what was meant, and passes the guards that every table passes."""
    meant = {**before, **made.rows}
    for change in made.gone:
        del meant[change.key]
    found = _in_force(providers, after)
    if {key: row[: dated.SEEN] for key, row in found.items()} != {key: r[: dated.SEEN] for key, r in meant.items()}:
        raise FetchError("the tables would not say what was meant", mend="report this")
    offers = packaged.offers([(key[0], row) for key, row in found.items()], date.max)
    regions = {pair: region for who in providers for pair, region in packaged.regions(who).items()}
    check.offers_are_sound(offers, Known.of(providers).nodes, regions)


def _account(ledger: Ledger, prices: list[Price], report: Report) -> None:
    report.read, report.kept, report.prices = ledger.read, ledger.kept, len(prices)
    report.dropped, report.unpriced, report.examples = dict(ledger.dropped), dict(ledger.unpriced), ledger.examples
    ledger.balanced()
    if ledger.read != ledger.kept + sum(ledger.dropped.values()):
        raise FetchError("rows read are not rows kept and dropped", mend="report this: the importer is wrong")
    if not prices:
        raise FetchError("no price came", mend="try again later; the prices in force are as they were")


def _in_force(providers: Iterable[str], base: Refreshed | None) -> dict[Key, Cells]:
    listed = {who: dated.prices(who, None, base) for who in providers}
    return {(who, row[0], row[1], row[2]): row for who, rows in listed.items() for row in rows}


def _hold_back(made: Compared, mine: Mapping[Key, Cells], base: Refreshed | None, rules: Rules) -> None:
    """Hold back what is odd beside everything there is; take out what has no market beside what would be in force."""
    if made.added:
        everyone = packaged.providers()
        strange = compare.odd(made.added, _in_force(everyone, base), Known.of(everyone).nodes)
        compare.hold(made, strange, compare.ODD, mine, rules)
    lost = [key for key in compare.without_market({**mine, **made.rows}) if key in made.rows]
    compare.lose(made, lost, mine)


def _in_time(mine: Mapping[Key, Cells], what: Source, base: Refreshed | None, day: date) -> None:
    """Prices are dated by the clock: one that runs behind would put today's prices into the past."""
    known = [row[dated.SINCE] for row in mine.values()]
    known += [base.days[who][-1] for who in what.providers if base and base.days.get(who)]
    if known and max(known) > day.isoformat():
        text = f"the clock says {day}, and there are prices of {max(known)} already"
        raise FetchError(text, mend="set the clock right")


def _owners() -> frozenset[str]:
    return frozenset(made.title for made in map(source, NAMES) if made.own)


def _table(who: str, made: Compared, base: Refreshed | None, rules: Rules) -> tuple[list[Cells], list[Cells]]:
    """A provider's refreshed rows, now and past: a row of an earlier day that is replaced becomes history."""
    now = {(who, row[0], row[1], row[2]): row for row in (base.rows(who, refreshed.NOW) if base else ())}
    past = list(base.rows(who, refreshed.PAST)) if base else []
    ends = {change.key: compare.tombstone(change, rules) for change in made.gone}
    for key, row in {**made.rows, **ends}.items():
        if key[0] == who:
            old = now.get(key)
            if old is not None and old[dated.SINCE] < row[dated.SINCE]:
                past.append(old)
            now[key] = row
    order = sorted(past, key=lambda row: (row[:3], row[dated.SINCE]))
    return [now[key] for key in sorted(now)], order


def _review(report: Report) -> str:
    """The table of what was held back."""
    rows = [[*c.key, _usd(c.before), _usd(c.after), c.reason, report.day.isoformat()] for c in report.compared.held]
    return store.written(REVIEW, rows)


def _usd(value: Decimal | None) -> str:
    return "" if value is None else compare.plain(value)


def _reviewed(path: Path) -> dict[Key, Decimal]:
    """What was held back last time, with its price.

    Raises:
        FetchError: there is no such table, or it was changed into none.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
        return {(r["provider"], r["region"], r["node"], r["option"]): Decimal(r["usd_held_back"]) for r in rows}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, InvalidOperation):
        text = "not a table of prices held back"
        raise FetchError(text, where=str(path), mend="remove it, and refresh again") from None


def _redacted(report: Report, clean: Redactor) -> Report:
    report.error, report.where, report.mend = clean(report.error), clean(report.where), clean(report.mend)
    report.examples = {clean(why): [clean(text) for text in told] for why, told in report.examples.items()}
    report.dropped = {clean(why): count for why, count in report.dropped.items()}
    report.unpriced = {clean(why): count for why, count in report.unpriced.items()}
    return report


def today() -> date:
    """What new prices are dated: the day in UTC."""
    return datetime.now(tz=UTC).date()


def changes(report: Report) -> Iterable[tuple[str, Change]]:
    """Every difference with its kind, the held back first."""
    made = report.compared
    for kind in ("held", "changed", "added", "gone"):
        yield from ((kind, change) for change in getattr(made, kind))
