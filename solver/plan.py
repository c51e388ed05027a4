"""The plan: what is bought, what runs where and when, what each dollar is for, and what kind of proof it carries."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from .errors import InputError
from .money import to_usd
from .table import Table

if TYPE_CHECKING:
    import pandas as pd

    from .problem import Problem

CertificateKind = Literal["proved", "none"]
Bounded = Literal["bill", "objective"]
Termination = Literal[
    "optimal", "gap reached", "gap not reached", "time limit", "interrupted", "engine failed", "infeasible"
]
TABLES = (
    "purchases", "placements", "served", "unserved", "cost_lines", "excuses", "conflicts", "contradiction", "ways",
    "risk",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What is known of the cost, whatever made the solve stop.

    `proved`: no plan over all the offers considered costs less than the lower bound. All in whole micro-dollars. Where
    the objective is not the bill (a weight on the worst futures, robust prices) both bounds are of the objective.
    """

    kind: CertificateKind
    lower_micro_usd: int
    upper_micro_usd: int
    bounds: Bounded = "bill"  # what the two say something of

    @property
    def gap(self) -> float:
        """(upper − lower) / upper; 0 for a free plan."""
        return max(0, self.upper_micro_usd - self.lower_micro_usd) / max(1, self.upper_micro_usd)

    @property
    def lower_usd(self) -> Decimal:
        """Lower bound in dollars."""
        return to_usd(self.lower_micro_usd)

    @property
    def upper_usd(self) -> Decimal:
        """Cost of the plan in dollars."""
        return to_usd(self.upper_micro_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a plan comes from; enough to make it again."""

    version: str
    problem_digest: str
    catalog_digest: str
    as_of: str
    seed: int
    engine: str
    deterministic: bool
    seconds: float
    spec: str  # the spec as canonical JSON, "" for a problem built in Python
    overrides: str  # folder of overrides used, "" for none
    warnings: tuple[str, ...] = ()


UNTOLD = Provenance(  # of a plan made on the way to another
    version="", problem_digest="", catalog_digest="", as_of="", seed=0, engine="", deterministic=True, seconds=0.0,
    spec="", overrides="",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A checked plan. Tables (see `to_frame`):

    - purchases: offer, provider, region, node, option, kind, block (-1 for a commitment), nodes, starts, term_hours
    - placements: candidate, workload, provider, region, node, market, block, replicas, nodes
    - served: source, workload, origin, candidate, provider, region, block, units_per_hour
    - unserved: source, workload, origin, block (-1 for a job), scenario, units (an hour for flows, in all for jobs)
    - cost_lines: kind, provider, region, node, option, workload, team, period, micro_usd; idle: workload "(idle)"
    - excuses: workload, provider, node, region, bottleneck, detail
    - conflicts: limit, unit, relax_by, usd_per_unit, detail (only when termination is "infeasible")
    - contradiction: limit, says, proof: limits that leave no plan together, each needed for that; proof is "confirmed"
      or "estimate"
    - risk: measure, micro_usd, detail: what the cost is when things go otherwise, where the problem says how they may
    - ways: way, usd_per_month, total_micro_usd, saving_percent, note: the same demand bought as people do today
    """  # noqa: D415

    name: str
    termination: Termination
    certificate: Certificate
    provenance: Provenance
    periods: tuple[str, ...]
    block_hours: tuple[int, ...]  # hours of each block over the horizon
    accounting: str
    purchases: Table
    placements: Table
    served: Table
    unserved: Table
    cost_lines: Table
    excuses: Table = field(default_factory=lambda: Table({}))
    conflicts: Table = field(default_factory=lambda: Table({}))
    contradiction: Table = field(default_factory=lambda: Table({}))
    ways: Table = field(default_factory=lambda: Table({}))
    risk: Table = field(default_factory=lambda: Table({}))
    fleet: Table = field(default_factory=lambda: Table({}))  # the summary people read; see solve.summarise

    @classmethod
    def of(
        cls,
        problem: Problem,
        *,
        termination: Termination,
        certificate: Certificate,
        provenance: Provenance,
        **tables: Table,
    ) -> Plan:
        """A plan of these tables, with what its problem says of months, hours, accounting and what was ruled out."""
        return cls(
            name=problem.name,
            termination=termination,
            certificate=certificate,
            provenance=provenance,
            periods=problem.blocks.periods,
            block_hours=tuple(problem.blocks.total_hours.tolist()),
            accounting=problem.limits.accounting,
            excuses=problem.excuses,
            **tables,
        )

    @property
    def total_micro_usd(self) -> int:
        """The bill: the exact sum of its lines."""
        return sum(self.cost_lines["micro_usd"].tolist()) if len(self.cost_lines) else 0

    @property
    def total_usd(self) -> Decimal:
        """The bill in dollars."""
        return to_usd(self.total_micro_usd)

    def to_frame(self, table: str = "fleet") -> pd.DataFrame:
        """One table as a DataFrame; money in cost_lines also as Decimal dollars in `usd`."""
        if table not in (*TABLES, "fleet"):
            raise InputError(f"no table {table!r} in a plan", mend=f"one of {', '.join((*TABLES, 'fleet'))}")
        frame = getattr(self, table).to_frame()
        if table == "cost_lines" and len(frame):
            frame["usd"] = [to_usd(x) for x in frame["micro_usd"]]
        return frame

    def _repr_html_(self) -> str:
        """Notebook view: the fleet, the bill and the certificate."""
        from .report.html import fragment

        return fragment(self)
