"""Limits as people name them, and as the pools they hold for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from ..calendar import exact
from ..errors import InputError
from ..money import to_micro
from ..problem import ChanceLimit, Limits, Quota, ShareLimit, UnservedLimit
from ..workloads import fields
from .names import known

if TYPE_CHECKING:
    from costdata import Catalog
    from costdata.schema import Quota as CatalogQuota

    from ..problem import Accounting, Problem
    from ..workloads import Workload
    from .offers import Pools

ANY = "*"
KINDS = ("any", "on_demand", "spot")
MOST_NODES = 10**9
MOST_LEVEL = 0.9999


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedQuota:
    """At most so many nodes held at once; "*" is every provider, region or node, all together under one limit."""

    provider: str
    region: str = ANY
    node: str = ANY
    kind: Literal["any", "on_demand", "spot"] = "any"
    max_nodes: int

    def __post_init__(self) -> None:
        """Check every field."""
        where = f"quota {self.name!r:.100}"
        for name in ("provider", "region", "node"):
            fields.text(where, name, getattr(self, name))
        known("kind of quota", self.kind, KINDS, where)
        fields.whole(where, "max_nodes", self.max_nodes, (0, MOST_NODES))

    @property
    def name(self) -> str:
        """Business name, "aws/us-east-1/p5.48xlarge"; with its kind unless it counts every node."""
        return f"{self.provider}/{self.region}/{self.node}" + ("" if self.kind == "any" else f" ({self.kind})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLevel:
    """What of a workload's demand may stay unserved when things go wrong."""

    workload: str
    min_served_in_outage: float | None = None
    max_unserved_cvar: float | None = None
    level: float = 0.9
    max_loss_probability: float | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        where = f"service level of {fields.text('service level', 'workload', self.workload)!r}"
        if self.min_served_in_outage is not None:
            fields.number(where, "min_served_in_outage", self.min_served_in_outage, (0, 1))
        if self.max_unserved_cvar is not None:
            fields.number(where, "max_unserved_cvar", self.max_unserved_cvar, (0, 1))
        fields.number(where, "level", self.level, (0, MOST_LEVEL))
        if self.max_loss_probability is not None:
            fields.number(where, "max_loss_probability", self.max_loss_probability, (0, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cvar:
    """The mean cost of the worst futures: those that together have the probability 1 − level."""

    level: float = 0.9
    max_usd: float | None = None

    def __post_init__(self) -> None:
        """Check both fields."""
        fields.number("cvar", "level", self.level, (0, MOST_LEVEL))
        if self.max_usd is not None:
            fields.number("cvar", "max_usd", self.max_usd, (0, 1e12))


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRange:
    """Offers whose prices may rise, each by so much at most; "*" in a name stands for anything."""

    provider: str = ANY
    region: str = ANY
    node: str = ANY
    option: str = ANY
    up_percent: float

    def __post_init__(self) -> None:
        """Check every field."""
        for name in ("provider", "region", "node", "option"):
            fields.text("uncertain prices", name, getattr(self, name))
        fields.number("uncertain prices", "up_percent", self.up_percent, (0, 1000))

    def matches(self, names: tuple[str, str, str, str]) -> bool:
        """Whether it holds for an offer of this provider, region, node and option."""
        patterns = (self.provider, self.region, self.node, self.option)
        return all(fnmatchcase(name, pattern) for name, pattern in zip(names, patterns, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedLimits:
    """Limits of the plan as a whole; None is no limit."""

    quotas: tuple[NamedQuota, ...] = ()
    default_max_nodes: int | None = None  # for each pool without a quota of its own
    monthly_budget_usd: float | tuple[float | None, ...] | None = None  # one for every month, or one a month
    hourly_budget_usd: float | None = None
    upfront_max_usd: float | None = None
    carbon_max_kg: float | None = None
    carbon_usd_per_kg: float = 0.0
    cvar: Cvar = field(default_factory=Cvar)
    service_levels: tuple[ServiceLevel, ...] = ()

    def __post_init__(self) -> None:
        """Check every field."""
        object.__setattr__(self, "quotas", tuple(self.quotas))
        object.__setattr__(self, "service_levels", tuple(self.service_levels))
        if len({s.workload for s in self.service_levels}) < len(self.service_levels):
            raise InputError("a workload is named twice", where="service_levels", mend="give each workload one entry")
        if self.default_max_nodes is not None:
            fields.whole("limits", "default_max_nodes", self.default_max_nodes, (0, MOST_NODES))
        if isinstance(self.monthly_budget_usd, Sequence) and not isinstance(self.monthly_budget_usd, str):
            object.__setattr__(self, "monthly_budget_usd", tuple(self.monthly_budget_usd))
        budgets = self.monthly_budget_usd if isinstance(self.monthly_budget_usd, tuple) else (self.monthly_budget_usd,)
        for name, values in (
            ("monthly_budget_usd", budgets),
            ("hourly_budget_usd", (self.hourly_budget_usd,)),
            ("upfront_max_usd", (self.upfront_max_usd,)),
            ("carbon_max_kg", (self.carbon_max_kg,)),
            ("carbon_usd_per_kg", (self.carbon_usd_per_kg,)),
        ):
            for value in values:
                if value is not None:
                    fields.number("limits", name, value, (0, 1e12))
        if self.carbon_usd_per_kg is None:
            raise InputError("carbon_usd_per_kg must be a number", where="limits", mend="leave it out for none")

    @property
    def counts_carbon(self) -> bool:
        """Whether emissions have a price or a limit."""
        return self.carbon_max_kg is not None or self.carbon_usd_per_kg > 0

    @property
    def has_monthly_budget(self) -> bool:
        """Whether months differ by more than their hours."""
        return self.monthly_budget_usd is not None


def least_served(wanted: NamedLimits, names: Sequence[str], must: Sequence[bool]) -> dict[str, Fraction | None]:
    """Share of the demand of each workload that must be served that an outage leaves to be served; None: not stated."""
    own = {s.workload: s.min_served_in_outage for s in wanted.service_levels}
    for name, share in own.items():
        known("workload", name, names, "service_levels")
        if share is not None and not must[names.index(name)]:
            raise InputError(
                f"{name!r} has a price for what is left unserved, and a share that an outage must leave served",
                where="service_levels",
                mend="leave out unserved_usd_per_unit or min_served_in_outage",
            )
    shares = {name: own.get(name) for name, all_of_it in zip(names, must, strict=True) if all_of_it}
    return {name: None if share is None else exact(share) for name, share in shares.items()}


def resolve(wanted: NamedLimits, catalog: Catalog, pools: Pools, periods: int, accounting: Accounting) -> Limits:
    """The limits over pools and months."""
    return Limits(
        quotas=_quotas(wanted, catalog, pools),
        monthly_budget_micro_usd=_budgets(wanted, periods),
        hourly_budget_micro_usd=_micro(wanted.hourly_budget_usd),
        upfront_max_micro_usd=_micro(wanted.upfront_max_usd),
        carbon_max_g=None if wanted.carbon_max_kg is None else int(exact(wanted.carbon_max_kg) * 1000),
        carbon_micro_usd_per_kg=to_micro(str(wanted.carbon_usd_per_kg)),
        accounting=accounting,
        cvar_level=exact(wanted.cvar.level),
        cvar_max_micro_usd=_micro(wanted.cvar.max_usd),
    )


def unserved(wanted: NamedLimits, problem: Problem) -> tuple[UnservedLimit, ...]:
    """Limits on the tails of unserved units, as units of the whole horizon; shares are of the expected demand."""
    w, s, blocks = problem.workloads, problem.sources, problem.blocks
    names, made = w.name.tolist(), []
    hours = [p * int(h) for p, h in zip(blocks.block_probability(), blocks.total_hours, strict=True)]
    for level in (x for x in wanted.service_levels if x.max_unserved_cvar is not None):
        k = names.index(level.workload)
        if w.must_serve[k]:
            mend = "give it unserved_usd_per_unit, or leave out max_unserved_cvar"
            raise InputError(f"all of {level.workload!r} must be served", where="service_levels", mend=mend)
        asked = sum(
            (h * int(u) for h, u in zip(hours, s.units_per_hour[s.workload == k].sum(axis=0), strict=True)), Fraction(0)
        )
        asked += int(s.total_units[s.workload == k].sum())
        most = exact(level.max_unserved_cvar or 0) * asked
        made.append(UnservedLimit(workload=k, level=exact(level.level), max_units=int(most)))
    return tuple(made)


def chances(wanted: NamedLimits, problem: Problem) -> tuple[ChanceLimit, ...]:
    """How probable the outages may be that are given up for a workload all of which must be served otherwise."""
    w, made = problem.workloads, []
    names = w.name.tolist()
    for level in (x for x in wanted.service_levels if x.max_loss_probability is not None):
        k = names.index(level.workload)
        if not w.must_serve[k] or w.kind[k] != "serving" or problem.outages is None:
            message = f"max_loss_probability of {level.workload!r}: "
            message += "there are no outages" if problem.outages is None else "it need not be served in outages"
            mend = "leave it out, name outages, or leave out unserved_usd_per_unit"
            raise InputError(message, where="service_levels", mend=mend)
        made.append(ChanceLimit(workload=k, max_probability=exact(level.max_loss_probability or 0)))
    return tuple(made)


def spread(workloads: Sequence[Workload]) -> tuple[ShareLimit, ...]:
    """Shares below 1 of the workloads' capacity."""
    kinds: tuple[Literal["region", "zone", "node"], ...] = ("region", "zone", "node")
    shares = [(k, per, getattr(w, f"max_share_per_{per}")) for k, w in enumerate(workloads) for per in kinds]
    return tuple(ShareLimit(workload=k, per=per, share=exact(x)) for k, per, x in shares if x is not None and x < 1)


def uncertain(ranges: Sequence[PriceRange], problem: Problem) -> tuple[tuple[int, Fraction], ...]:
    """Offers not owned already whose prices may rise, and by what share: the most of the ranges that name them."""
    o, rises = problem.offers, dict[int, Fraction]()
    names = [tuple(name.split("/", 2)) for name in problem.pool_names.tolist()]
    for wanted in ranges:
        rows = [
            k
            for k in range(len(o.pool))
            if not o.owned_nodes[k] and wanted.matches((*names[o.pool[k]], str(o.option[k])))
        ]
        if not rows:
            said = f"{wanted.provider}/{wanted.region}/{wanted.node} {wanted.option}"
            raise InputError(f"no offer is named {said!r:.120}", where="prices.uncertain", mend="* stands for any name")
        for k in rows:
            rises[k] = max(rises.get(k, Fraction(0)), exact(wanted.up_percent) / 100)
    return tuple(sorted(rises.items()))


def _micro(usd: float | None) -> int | None:
    return None if usd is None else to_micro(str(usd))


def _budgets(wanted: NamedLimits, periods: int) -> tuple[int | None, ...]:
    budget = wanted.monthly_budget_usd
    if budget is None:
        return ()
    if not isinstance(budget, tuple):
        return (to_micro(str(budget)),) * periods
    if len(budget) != periods:
        raise InputError(
            f"monthly_budget_usd has {len(budget)} amounts for {periods} calendar months",
            where="limits",
            mend="give one amount for all months, or one for each",
        )
    return tuple(map(_micro, budget))


def _quotas(wanted: NamedLimits, catalog: Catalog, pools: Pools) -> tuple[Quota, ...]:
    """The spec's and the account's quotas (the lower of two of the same name), then one for each other pool."""
    for quota in wanted.quotas:
        _check_names(quota, catalog)
    least: dict[str, NamedQuota] = {}
    for quota in (*wanted.quotas, *map(_named, catalog.quotas)):
        least[quota.name] = min(quota, least.get(quota.name, quota), key=lambda q: q.max_nodes)
    made: list[Quota] = []
    own: set[int] = set()
    for name, quota in sorted(least.items()):
        pattern = (quota.provider, quota.region, quota.node)
        rows = tuple(i for i, pool in enumerate(pools.names) if _matches(pattern, pool))
        if ANY not in pattern:
            own.update(rows)
        if rows:
            made.append(Quota(name=name, pools=rows, kind=quota.kind, max_nodes=quota.max_nodes))
    if wanted.default_max_nodes is not None:
        made += [
            Quota(name="/".join(pool), pools=(i,), kind="any", max_nodes=wanted.default_max_nodes)
            for i, pool in enumerate(pools.names)
            if i not in own
        ]
    return tuple(made)


def _named(q: CatalogQuota) -> NamedQuota:
    fields: dict[str, Any] = {f: getattr(q, f) for f in ("provider", "region", "node", "kind", "max_nodes")}
    return NamedQuota(**fields)


def _matches(pattern: tuple[str, str, str], pool: tuple[str, str, str]) -> bool:
    return all(p in (ANY, name) for p, name in zip(pattern, pool, strict=True))


def _check_names(quota: NamedQuota, catalog: Catalog) -> None:
    """A quota names what there is."""
    where, provider = f"quota {quota.name!r}", quota.provider
    if provider != ANY:
        known("provider", provider, {p for p, _ in catalog.regions}, where)
    if quota.region != ANY:
        known("region", quota.region, {r for p, r in catalog.regions if provider in (ANY, p)}, where)
    if quota.node != ANY:
        known("node", quota.node, {n for p, n in catalog.nodes if provider in (ANY, p)}, where)
