"""A bill in FOCUS form, read in batches and added up exactly: cells by month, place, workload, team and kind of charge.

No amount is ever a float: decimals of 38 digits in Arrow, whole 1e-18 units outside of it. A bill of any length takes
the memory of its cells and of one batch (and 16 bytes a row, while repeated rows are looked for).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from ..errors import InputError
from .cells import Cells, Interners, Labelled, label, used_columns
from .faults import Amounts, Fault, Reconciliation, decimal_of
from .files import Source, batches, sources
from .focus import focus_columns, version_of
from .match import Matching
from .repeats import Fingerprints

if TYPE_CHECKING:
    import pyarrow as pa

    from ..table import Table

Array = np.ndarray[Any, np.dtype[Any]]
Repeated = Literal["keep", "drop", "refuse", "ignore"]
Grain = Literal["month", "day", "hour"]
WITHOUT = {  # what cannot be done without a column
    "BilledCost": "the cash view: it is the amortised one",
    "EffectiveCost": "the amortised view: it is the cash one",
    "ListCost": "what commitments and discounts save",
    "ContractedCost": "what negotiated prices save",
    "BillingCurrency": "telling currencies apart",
    "ChargePeriodStart": "time finer than the billing period",
    "ChargePeriodEnd": "seeing charges that end before they begin",
    "BillingPeriodStart": "seeing charges outside the billing period",
    "BillingPeriodEnd": "seeing charges outside the billing period",
    "ChargeCategory": "telling credits, tax and purchases from usage",
    "ChargeClass": "telling corrections apart",
    "PricingQuantity": "splitting a variance by price and volume",
    "PricingUnit": "splitting a variance by price and volume",
    "ProviderName": "telling providers apart",
    "ServiceCategory": "telling machines from transfer and the rest",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What one or many files of a bill say.

    `cells` (see `solver.actuals.cells.KEYS`): one row for each period, time, category, correction, provider, region,
    node, what, bought, status, commitment, workload, team, project, currency and unit; `rows`, and the amounts billed,
    effective, listed, contracted and quantity as whole 1e-18 units; `unmeasured` rows that cost but have no quantity.
    """

    files: tuple[str, ...]
    version: str  # of FOCUS: "1.0", "1.1", "1.2"
    grain: Grain
    notes: tuple[str, ...]  # columns that are missing or strange, in words
    cells: Table
    reconciliation: Reconciliation
    until: dict[str, str]  # the latest ChargePeriodEnd of usage in each month, as "2027-01-31T23:00Z"

    def total(self, view: str = "billed") -> dict[str, Decimal]:
        """Exact amount of all cells by currency; `view` is billed (cash), effective (amortised), listed, contracted."""
        made: dict[str, int] = {}
        for currency, atto in zip(self.cells["currency"], self.cells[view], strict=True):
            made[str(currency)] = made.get(str(currency), 0) + int(atto)
        return {currency: decimal_of(atto) for currency, atto in sorted(made.items())}

    @property
    def months(self) -> tuple[str, ...]:
        """Months with charges, in order."""
        return tuple(sorted(set(self.cells["period"].tolist())))


def read_bill(
    paths: Path | str | Sequence[Path | str],
    *,
    matching: Matching | None = None,
    grain: Grain = "month",
    repeated: Repeated = "keep",
    currency: str = "",
) -> Bill:
    """Read a bill of FOCUS 1.0, 1.1 or 1.2 from CSV, gzipped CSV or Parquet files, or folders of them.

    Args:
        paths: the files.
        matching: what joins it to a plan; by default tags named workload, team and project.
        grain: how fine time is kept.
        repeated: rows that equal another in every column are kept and told, dropped and told, refused, or not looked
            for. The same file twice is always refused.
        currency: what amounts are in where a row does not say.

    Raises:
        InputError: a file that cannot be read, or not without guessing what its money is.
    """
    if repeated not in get_args(Repeated) or grain not in get_args(Grain):
        mend = f"repeated: {', '.join(get_args(Repeated))}; grain: {', '.join(get_args(Grain))}"
        raise InputError(f"repeated={repeated!r}, grain={grain!r}", where="read_bill", mend=mend)
    many = [paths] if isinstance(paths, Path | str) else list(paths)
    found = sources([Path(p) for p in many])
    columns = {c for source in found for c in source.columns}
    _needed(found, columns, currency)
    reader = _Reader(matching or Matching(), grain, currency, Interners())
    prints = Fingerprints() if repeated != "ignore" else None
    book = Reconciliation()
    sizes = [reader.file(source, book, prints) for source in found]
    _same_file(found)
    if prints is not None:
        reader.repeats(found, sizes, prints, book, repeated)
    made = Bill(
        files=tuple(source.name for source in found),
        version=version_of(columns),
        grain=grain,
        notes=tuple(_notes(found)),
        cells=reader.cells.table(reader.names),
        reconciliation=book,
        until=reader.until_by_month(),
    )
    _balance(made)
    return made


def add_up(
    tables: Iterable[tuple[str, pa.Table]], matching: Matching, grain: Grain = "month", currency: str = ""
) -> Bill:
    """A bill of tables in memory, by name, whose columns have FOCUS names; repeated rows are not looked for."""
    reader, book = _Reader(matching, grain, currency, Interners()), Reconciliation()
    names, columns = [], set[str]()
    for name, table in tables:
        reader.table(table, name, 0, book)
        names.append(name)
        columns |= set(table.column_names)
    made = Bill(
        files=tuple(names), version=version_of(columns), grain=grain, notes=(), cells=reader.cells.table(reader.names),
        reconciliation=book, until=reader.until_by_month(),
    )  # fmt: skip
    _balance(made)
    return made


def _needed(found: list[Source], columns: set[str], currency: str) -> None:
    """Refuse a bill without any amount, any period or any currency."""
    for source in found:
        mine = set(source.columns)
        for names in (("BilledCost", "EffectiveCost"), ("ChargePeriodStart", "BillingPeriodStart")):
            if not mine & set(names):
                mend = "export it again with all mandatory columns"
                raise InputError(f"neither {names[0]} nor {names[1]}", where=f"{source.name}, row 1", mend=mend)
    if "BillingCurrency" not in columns and not currency:
        raise InputError("no BillingCurrency", where=found[0].name, mend="say which currency the amounts are in")


def _same_file(found: list[Source]) -> None:
    seen: dict[str, str] = {}
    for source in found:
        if source.digest and source.digest in seen:
            raise InputError(f"is {seen[source.digest]} once more", where=source.name, mend="give each file once")
        seen[source.digest] = source.name


def _notes(found: list[Source]) -> list[str]:
    made = []
    for source in found:
        lacking = [c for c in focus_columns().values() if c.level == "mandatory" and c.name not in source.columns]
        for column in lacking:
            without = WITHOUT.get(column.name)
            made.append(f"{source.name}: no {column.name}" + (f"; without it no {without}" if without else ""))
        made += [f"{source.name}: column {name!r:.60} is not of FOCUS" for name in source.strange]
    return made


def _balance(bill: Bill) -> None:
    """What was kept is what the cells hold, whatever way it went there; then the books must balance."""
    kept, cells = bill.reconciliation.kept, bill.cells
    kept.rows = sum(cells["rows"].tolist())
    for currency, billed, effective in zip(cells["currency"], cells["billed"], cells["effective"], strict=True):
        kept.add(0, {str(currency): billed}, {str(currency): effective})
    bill.reconciliation.check()


class _Reader:
    """Adds batches up; says what is wrong with their rows."""

    def __init__(self, matching: Matching, grain: Grain, currency: str, names: Interners) -> None:
        self.matching, self.grain, self.currency, self.names = matching, grain, currency, names
        self.cells = Cells(grain)
        self._until: dict[int, int] = {}

    def file(self, source: Source, book: Reconciliation, prints: Fingerprints | None) -> int:
        """All rows of a file; their number."""
        rows = 0
        for table in batches(source, None if prints is not None else used_columns(source.columns, self.matching)):
            if prints is not None:
                prints.add(table)
            self.table(table, source.name, rows, book)
            rows += table.num_rows
        self._cut(source, book)
        return rows

    def table(self, table: pa.Table, name: str, before: int, book: Reconciliation) -> None:
        """Rows of a table, so many rows into its file."""
        made = label(table, self.matching, self.grain, self.currency, self.names)
        self._note(made, name, before, book)
        self._add_up(made)

    def until_by_month(self) -> dict[str, str]:
        """The latest end of usage in each month."""
        ends = {np.datetime64(m, "M"): np.datetime64(s, "s") for m, s in sorted(self._until.items())}
        return {str(month): f"{np.datetime_as_string(end, unit='m')}Z" for month, end in ends.items()}

    def repeats(
        self, found: list[Source], sizes: list[int], prints: Fingerprints, book: Reconciliation, policy: Repeated
    ) -> None:
        """Find repeated rows, name them, and take them out again where they are to be dropped."""
        same, key = prints.repeated()
        starts = np.concatenate([[0], np.cumsum(sizes)])
        for reason, places in (("repeated", same), ("repeated key", key)):
            for place in places[:5].tolist():
                at = int(np.searchsorted(starts, place, side="right")) - 1
                text = "as a row before it" + (" in all but quantities and costs" if reason != "repeated" else "")
                book.example([Fault(reason, found[at].name, int(place - starts[at]) + 2, text)])
        if len(key):
            book.flagged["repeated key"] = Amounts(rows=len(key))
        if not len(same):
            return
        if policy == "refuse":
            first = book.examples["repeated"][0]
            mend = "find out why; keep or drop them"
            raise InputError(f"{len(same):,} rows stand twice", where=f"{first.file}, row {first.row}", mend=mend)
        told = Amounts()
        for at, source in enumerate(found):
            mine = same[(same >= starts[at]) & (same < starts[at + 1])] - starts[at]
            if len(mine):
                self._again(source, mine, told, drop=policy == "drop")
        (book.set_aside if policy == "drop" else book.flagged)["repeated"] = told

    def _again(self, source: Source, places: Array, told: Amounts, *, drop: bool) -> None:
        """Read a file's repeated rows once more, count them, and take them out of the cells."""
        rows = 0
        for table in batches(source, used_columns(source.columns, self.matching)):
            mine = places[(places >= rows) & (places < rows + table.num_rows)] - rows
            rows += table.num_rows
            if not len(mine):
                continue
            made = label(table.take(mine), self.matching, self.grain, self.currency, self.names)
            kept = made.only(~made.aside)
            told.add(len(kept.masks["negative"]), *kept.sums(self.names))
            if drop:
                self.cells.add(kept, sign=-1)

    def _note(self, made: Labelled, name: str, before: int, book: Reconciliation) -> None:
        """Count rows by reason, and keep examples."""
        book.read.add(len(made.aside), *made.sums(self.names))
        reasons = [(book.set_aside, made.aside_for), (book.flagged, made.masks)]
        for counted, masks in reasons:
            for reason, mask in masks.items():
                if not mask.any():
                    continue
                part = made.only(mask)
                counted.setdefault(reason, Amounts()).add(int(mask.sum()), *part.sums(self.names))
                told = len(book.examples.get(reason, ()))
                rows = np.flatnonzero(mask)[: max(0, 5 - told)].tolist()
                book.example(Fault(reason, name, before + row + 2, made.detail(reason, row)) for row in rows)

    def _add_up(self, made: Labelled) -> None:
        kept = made if not made.aside.any() else made.only(~made.aside)
        self.cells.add(kept)
        for month, end in kept.ends():
            self._until[month] = max(self._until.get(month, end), end)

    def _cut(self, source: Source, book: Reconciliation) -> None:
        """Rows with too few or too many cells, which the reader of CSV left out."""
        if not source.cut_rows:
            return
        book.read.rows += source.cut_rows
        book.set_aside.setdefault("cut short", Amounts()).rows += source.cut_rows
        wanted = len(source.columns)
        book.example(Fault("cut short", source.name, 0, f"not {wanted} cells: {text[:80]!r}") for text in source.cut)
