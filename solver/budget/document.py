"""The file of budgets: amounts by fiscal period and scope, what sets off an alert, and the calendar and rates they use.

An entry holds for every period of its kind, or with `only` for one, where it takes the place of the general entry.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .. import finance
from ..errors import InputError
from ..finance import MONTHLY, FiscalCalendar, Rates
from ..workloads import fields

if TYPE_CHECKING:
    from ..spec.faults import Fault
    from ..spec.reader import Document

Kind = Literal["month", "quarter", "year", "plan"]
Accounting = Literal["amortised", "cash"]
Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
KINDS: tuple[Kind, ...] = ("month", "quarter", "year", "plan")
MOST_USD = 1e12
MOST_RATE = 1e6
MOST_AGE_DAYS = 36_600
MOST_DIGITS = 15  # of a number in a file that are surely the ones written
USD = "USD"
FULL = 100  # percent
SEE = "see docs/budgets.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Dollars that one unit of a currency is worth from a day on."""

    currency: str
    usd: float | Decimal
    valid_from: datetime.date

    def __post_init__(self) -> None:
        """Check every field."""
        where = f"rate of {_currency('rates', self.currency)}"
        fields.number(where, "usd", float(self.usd), (0, MOST_RATE), above=True)
        fields.day(where, "valid_from", self.valid_from)
        if self.currency == USD:
            raise InputError("a dollar is worth a dollar", where=where, mend="leave it out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Workloads whose cost one project bears."""

    name: str
    workloads: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check both fields."""
        fields.text("project", "name", self.name)
        fields.names(f"project {self.name!r}", "workloads", self.workloads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Goes off when so much of a budget is spent (actual), or will be by the end of its period (forecast)."""

    at_percent: float
    of: Literal["actual", "forecast"] = "actual"
    severity: Severity | None = None  # critical at 100 % of actual cost and above, else a warning

    def __post_init__(self) -> None:
        """Check the share."""
        fields.number("alert", "at_percent", self.at_percent, (0, 1000), above=True)

    @property
    def level(self) -> Severity:
        """How grave it is."""
        return self.severity or ("critical" if self.of == "actual" and self.at_percent >= FULL else "warning")


STANDARD_ALERTS = (Alert(at_percent=80), Alert(at_percent=100), Alert(at_percent=100, of="forecast"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """An amount for each period of a kind; of everything, or of what has all the names given."""

    name: str
    amount: float | Decimal
    period: Kind = "month"
    only: str = ""  # the label of one period
    currency: str = ""  # that of the file
    team: str = ""  # any
    project: str = ""
    workload: str = ""
    provider: str = ""

    def __post_init__(self) -> None:
        """Check every field."""
        where = f"budget {fields.text('budget', 'name', self.name)!r:.100}"
        fields.number(where, "amount", float(self.amount), (0, MOST_USD))
        if isinstance(self.amount, float) and len(self.exact.normalize().as_tuple().digits) > MOST_DIGITS:
            mend = "round it: cents are enough"
            raise InputError(f"amount has more than {MOST_DIGITS} digits", where=where, mend=mend)
        for name in ("only", *SCOPES):
            fields.text(where, name, getattr(self, name), empty=True)
        if self.currency:
            _currency(where, self.currency)
        if self.only and self.period == "plan":
            raise InputError("a budget of the whole plan has one period", where=where, mend="leave `only` out")

    @property
    def exact(self) -> Decimal:
        """The amount as it was written, in its currency."""
        return _exact(self.amount)

    @property
    def scope(self) -> tuple[str, ...]:
        """Team, project, workload and provider; "" is any."""
        return tuple(getattr(self, name) for name in SCOPES)

    @property
    def names(self) -> dict[str, str]:
        """The same by what they name."""
        return dict(zip(SCOPES, self.scope, strict=True))

    @property
    def scope_name(self) -> str:
        """The scope as people say it: "team web, provider aws", or "all"."""
        return ", ".join(f"{name} {value}" for name, value in zip(SCOPES, self.scope, strict=True) if value) or "all"


SCOPES = ("team", "project", "workload", "provider")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """A whole file."""

    budgets: tuple[Budget, ...]
    name: str = "budgets"
    currency: str = USD
    accounting: Accounting | None = None  # that of the plan
    penalties: bool = False  # count the prices of carbon and of what is not served, which nobody is paid
    fiscal: FiscalCalendar = MONTHLY
    rates: tuple[Rate, ...] = ()
    rates_on: datetime.date | None = None  # the first day of each period
    rates_max_age_days: int = 366
    projects: tuple[Project, ...] = ()
    alerts: tuple[Alert, ...] = STANDARD_ALERTS
    unknown: Literal["error", "ignore"] = "error"  # names that the plan does not have

    def __post_init__(self) -> None:
        """Check what does not need a second entry."""
        fields.text("budgets", "name", self.name)
        fields.day("budgets", "rates_on", self.rates_on)
        fields.whole("budgets", "rates_max_age_days", self.rates_max_age_days, (0, MOST_AGE_DAYS))
        _currency("budgets", self.currency)
        if not self.budgets:
            raise InputError("there is no budget", where="budgets", mend="add {name: all, amount: 1000000}")

    @property
    def project_of(self) -> dict[str, str]:
        """Project by workload."""
        return {w: project.name for project in self.projects for w in project.workloads}

    @property
    def exchange(self) -> Rates:
        """The rates, as they convert."""
        rows = [finance.Rate(r.valid_from, r.currency, USD, _exact(r.usd)) for r in self.rates]
        return finance.Rates(rows, self.rates_max_age_days)

    def currency_of(self, budget: Budget) -> str:
        """The currency of an entry."""
        return budget.currency or self.currency


@dataclass(frozen=True, slots=True)
class BudgetFile:
    """What was read, and where it stands, for faults that only a plan brings to light."""

    budgets: Budgets
    document: Document

    @classmethod
    def of(cls, budgets: Budgets, name: str = "budgets") -> BudgetFile:
        """Of budgets made in Python, checked like those of a file."""
        from ..spec.reader import Document

        made = cls(budgets, Document({}, name))
        made.refuse(_twice(budgets))
        return made

    def refuse(self, faults: list[Fault]) -> None:
        """Raise what was found, if anything, with file, line and path."""
        from ..spec.faults import error_of

        if faults:
            raise error_of(faults, self.document)


def read_budgets(source: str | os.PathLike[str] | Mapping[str, Any]) -> BudgetFile:
    """The budgets of a YAML, TOML or JSON file, or of a mapping with the same fields.

    Raises:
        InputError: naming file, line, field and the mend; several faults at once where there are several.
    """
    from ..spec.reader import Document
    from ..spec.typed import typed

    document = Document(dict(source), "budgets") if isinstance(source, Mapping) else _read(Path(source))
    budgets: Budgets = typed(document, Budgets, see=SEE)
    made = BudgetFile(budgets, document)
    made.refuse(_twice(budgets))
    return made


def _read(path: Path) -> Document:
    from ..spec.reader import read

    try:
        return read(path)
    except InputError as error:
        mend = SEE if error.mend.startswith("autoparallel init") else error.mend
        raise InputError(error.message, where=error.where, mend=mend) from None


def _twice(made: Budgets) -> list[Fault]:
    """Whatever stands there twice, and projects that are named and not there."""
    from ..enumerate.names import nearest
    from ..spec.faults import Fault

    faults, seen = [], dict[Any, str]()

    def first(key: Any, what: str, place: tuple[str | int, ...], mend: str) -> None:
        if key in seen:
            faults.append(Fault(place, f"{what} is also that of {seen[key]}", mend))
        seen.setdefault(key, "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in place).lstrip("."))

    known = {project.name for project in made.projects}
    for i, b in enumerate(made.budgets):
        first(("name", b.name), f"name {b.name!r:.80}", ("budgets", i, "name"), "give each budget a name of its own")
        mend = "keep one of them, or name another period with `only`"
        first(("scope", b.scope, b.period, b.only), "the scope and period", ("budgets", i), mend)
        if b.project and b.project not in known:
            mend = nearest(b.project, known) if known else "say under `projects` which workloads it has"
            faults.append(Fault(("budgets", i, "project"), f"there is no project {b.project!r:.80}", mend))
    for i, project in enumerate(made.projects):
        first(("project", project.name), f"name {project.name!r:.80}", ("projects", i, "name"), "put them together")
        for k, name in enumerate(project.workloads):
            place = ("projects", i, "workloads", k)
            first(("workload", name), f"workload {name!r:.80}", place, "a workload has one project")
    for i, rate in enumerate(made.rates):
        said = f"currency and day, {rate.currency} {rate.valid_from}"
        first(("rate", rate.currency, rate.valid_from), f"{said},", ("rates", i), "keep one of them")
    for i, alert in enumerate(made.alerts):
        said = f"threshold of {alert.at_percent:g} % of {alert.of} cost"
        first(("alert", alert.at_percent, alert.of), said, ("alerts", i), "keep one of them")
    return faults


def _exact(value: float | Decimal) -> Decimal:
    """A number as it was written."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


def _currency(where: str, code: str) -> str:
    """Three capital letters."""
    if not (len(code) == 3 and code.isascii() and code.isalpha() and code.isupper()):  # noqa: PLR2004
        mend = "three capital letters, such as EUR"
        raise InputError(f"{code!r:.40} is no currency", where=where, mend=mend)
    return code
