"""A plan as the rows of a bill in FOCUS 1.2: what its providers will charge, cash (billed) and amortised (effective).

A commitment is a purchase (recurring for what is paid by the hour, one-time for what is paid at once) that costs cash
and has no effective cost, and the usage of it, used or unused, that costs no cash and carries the amortised cost. The
rows of an amortised plan add up to its bill in EffectiveCost, those of a cash plan in BilledCost, to the micro-dollar.
"""

from __future__ import annotations

import json
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..finance import round_money
from ..money import apportion, to_usd
from .cells import INTERNAL

if TYPE_CHECKING:
    from ..plan import Plan

Row = dict[str, Any]
Key = tuple[str, ...]  # kind, provider, region, node, option, workload, team, month: a line of the plan's bill
Rate = Callable[[Key], Fraction | None]  # micro-dollars of a unit of a line
COLUMNS = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd"),
    *("BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency"),
    *("ChargePeriodEnd", "ChargePeriodStart", "CommitmentDiscountCategory", "CommitmentDiscountId"),
    *("CommitmentDiscountName", "CommitmentDiscountQuantity", "CommitmentDiscountStatus", "CommitmentDiscountType"),
    *("CommitmentDiscountUnit", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "ContractedUnitPrice"),
    *("EffectiveCost", "InvoiceId", "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory"),
    *("PricingCurrency", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost"),
    *("PricingCurrencyListUnitPrice", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "RegionId"),
    *("RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName"),
    *("ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId", "Tags"),
    *("x_Kind", "x_Node", "x_Option"),
)
NUMBERS = (
    *("BilledCost", "CommitmentDiscountQuantity", "ConsumedQuantity", "ContractedCost", "ContractedUnitPrice"),
    *("EffectiveCost", "ListCost", "ListUnitPrice", "PricingCurrencyContractedUnitPrice"),
    *("PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice", "PricingQuantity"),
)
TIMES = ("BillingPeriodEnd", "BillingPeriodStart", "ChargePeriodEnd", "ChargePeriodStart")
NAMES = {"aws": "AWS", "azure": "Microsoft", "gcp": "Google Cloud", "oci": "Oracle", INTERNAL: "Planner"}
SERVICES = {  # category, subcategory, service, meter, unit
    "compute": ("Compute", "Virtual Machines", "Accelerated nodes", "Node hours", "Hours"),
    "transfer": ("Networking", "Network Connectivity", "Data transfer", "Data transfer", "Units"),
    INTERNAL: ("Other", "Other (Other)", "Internal prices", None, None),
}
PRICING = {"on_demand": "Standard", "spot": "Dynamic", "capacity_block": "Other"}
UNBILLED = ("carbon", "unserved")  # kinds of cost that no provider bills
IDLE = "(idle)"
MONTHS_UNIT = "Months"
FINE = 18  # decimals of quantities and unit prices


@dataclass(frozen=True, slots=True)
class _Held:
    """A commitment bought: nodes, from when to when (None: for ever, for what has no term)."""

    nodes: int
    starts: datetime
    hours: int

    def within(self, month: str) -> int:
        """Node-hours in a month."""
        start, end = bounds(month)
        last = self.starts + timedelta(hours=self.hours)
        return self.nodes * max(0, int((min(end, last) - max(start, self.starts)) / timedelta(hours=1)))


@cache
def bounds(month: str) -> tuple[datetime, datetime]:
    """The first instant of a month, "2027-03", and of the next."""
    start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    return start, start + timedelta(days=monthrange(start.year, start.month)[1])


def planned_rows(plan: Plan, rate: Rate | None = None) -> list[Row]:
    """The rows of a plan's bill, month by month.

    Args:
        plan: any plan that bought something.
        rate: micro-dollars of a unit of a line, as `solver.diff.rates.Rates` knows them; without, a line that is no
            commitment is one month at its cost, and a comparison cannot split it by price and volume.

    Raises:
        InputError: an infeasible plan.
    """
    if plan.termination == "infeasible":
        raise InputError("no plan exists, so it has no bill", where=plan.name, mend="see its conflicts")
    made = _Planned(plan, rate or (lambda _: None))
    return sorted(made.rows(), key=lambda r: (r["ChargePeriodStart"], r["ChargeCategory"], r["SkuPriceId"] or "",
                                              r["Tags"] or "", r["CommitmentDiscountStatus"] or ""))  # fmt: skip


def forecast_rows(
    monthly: Mapping[tuple[str, str], Decimal], *, tag: str = "forecast", name: str = "forecast", provider: str = ""
) -> list[Row]:
    """Expected cost by month ("2027-03") and workload as rows of a bill, tagged as what they are.

    Args:
        monthly: dollars by month and workload.
        tag: key of the tag that says "true".
        name: of the billing account.
        provider: who will bill it; "" for nobody in particular.
    """
    made = []
    for (month, workload), usd in sorted(monthly.items()):
        row = _blank(name, month, provider or INTERNAL, "compute")
        row |= {"ChargeDescription": f"Forecast of {workload}", "Tags": _tags({"workload": workload, tag: True})}
        row |= _costs(usd, usd) | _priced(None, usd, "Hours") | {"PricingCategory": "Standard", "x_Kind": "forecast"}
        sku = f"{provider or INTERNAL}/forecast"
        made.append(row | {"SkuId": sku, "SkuPriceId": sku, "SkuMeter": "Forecast"} | _consumed(row))
    return made


class _Planned:
    """Lines of a plan's bill as rows."""

    def __init__(self, plan: Plan, rate: Rate) -> None:
        self.plan, self.rate = plan, rate
        self.held: dict[Key, list[_Held]] = {}
        for p in plan.purchases.records() if len(plan.purchases) else ():
            if p["kind"] == "commitment":
                starts = datetime.fromisoformat(str(p["starts"])).replace(tzinfo=UTC)
                key = (p["provider"], p["region"], p["node"], p["option"])
                self.held.setdefault(key, []).append(_Held(int(p["nodes"]), starts, int(p["term_hours"])))

    def rows(self) -> Iterator[Row]:
        """All of them, in no particular order."""
        lines = [(self._key(r), int(r["micro_usd"])) for r in self.plan.cost_lines.records()]
        committed = sorted(x for x in lines if self._is_committed(x[0]))
        for key, micro in lines:
            if key[0] in UNBILLED:
                yield self._internal(key, micro)
            elif not self._is_committed(key):
                yield self._plain(key, micro)
        for pool, mine in groupby(committed, key=lambda x: x[0][1:5]):
            yield from self._commitment(pool, list(mine))

    @staticmethod
    def _key(line: Row) -> Key:
        return tuple(
            str(line[c]) for c in ("kind", "provider", "region", "node", "option", "workload", "team", "period")
        )

    def _is_committed(self, key: Key) -> bool:
        kind, option = key[0], key[4]
        return kind in ("compute", "upfront") and (key[1:5] in self.held or option not in ("", *PRICING))

    def _plain(self, key: Key, micro: int) -> Row:
        """On demand, spot, or transfer: cash and amortised cost are the same."""
        kind, provider, region, node, option, workload, team, month = key
        what = "transfer" if kind == "transfer" else "compute"
        row = _blank(self.plan.name, month, provider, what) | _place(provider, region, node, option, kind)
        row |= _costs(to_usd(micro), to_usd(micro)) | _priced(self._quantity(key, micro), to_usd(micro), _unit(what))
        row |= {"PricingCategory": PRICING.get(option, "Standard"), "Tags": _owner(workload, team)}
        row |= {"ChargeDescription": f"{node or region}, {option.replace('_', ' ') or kind}, for {workload}"}
        if workload != IDLE:
            resource = "/".join(filter(None, (workload, provider, region, node)))
            row |= {"ResourceId": resource, "ResourceName": workload, "ResourceType": node or what}
        return row | _consumed(row)

    def _internal(self, key: Key, micro: int) -> Row:
        """What no provider bills."""
        kind, _, region, node, option, workload, team, month = key
        row = _blank(self.plan.name, month, INTERNAL, INTERNAL) | _costs(to_usd(micro), to_usd(micro))
        row |= {"ChargeCategory": "Adjustment", "ChargeFrequency": "Recurring", "Tags": _owner(workload, team)}
        row |= {"RegionId": region or None, "RegionName": region or None, "x_Node": node or None}
        return row | {"x_Kind": kind, "x_Option": option or None, "ChargeDescription": f"{kind}, for {workload}"}

    def _quantity(self, key: Key, micro: int) -> Fraction | None:
        rate = self.rate(key)
        return Fraction(micro) / rate if rate else None

    def _commitment(self, pool: Key, lines: list[tuple[Key, int]]) -> Iterator[Row]:
        """Purchases of a commitment and the usage of it, in each month of the plan."""
        hourly, once = _by_owner(lines, "compute"), _by_owner(lines, "upfront")
        held = self.held.get(pool, [])
        paid = self._paid_at_once(held, once)
        for month in self.plan.periods:
            total = sum(held_.within(month) for held_ in held)
            if recurring := sum(hourly.get(month, {}).values()):
                yield self._purchase(pool, month, recurring, total, "Recurring")
            for held_ in held:
                if f"{held_.starts:%Y-%m}" == month and (micro := paid.get(held_, 0)):
                    yield self._purchase(pool, month, micro, held_.nodes * held_.hours, "One-Time")
        yield from self._usage(pool, held, hourly, once)

    def _paid_at_once(self, held: list[_Held], once: dict[str, dict[Key, int]]) -> dict[_Held, int]:
        """Micro-dollars paid when each commitment starts: the months' parts of an amortised plan say how much."""
        periods = self.plan.periods
        spent = sum(sum(part.values()) for part in once.values())
        if self.plan.accounting == "cash":
            made: dict[_Held, int] = {}
            for month, part in once.items():
                starting = [h for h in held if f"{h.starts:%Y-%m}" == month] or held[:1]
                weights = [h.nodes for h in starting]
                made |= dict(zip(starting, apportion(sum(part.values()), weights), strict=True))
            return made
        share = sum((Fraction(sum(map(h.within, periods)), h.hours) for h in held if h.hours), Fraction(0))
        return {h: round(spent / share * h.nodes) for h in held} if share else {}

    def _usage(
        self, pool: Key, held: list[_Held], hourly: dict[str, dict[Key, int]], once: dict[str, dict[Key, int]]
    ) -> Iterator[Row]:
        """Used and unused parts, with their amortised cost."""
        for month in self.plan.periods:
            parts = dict(hourly.get(month, {}))
            spread = once.get(month, {}) if self.plan.accounting != "cash" else self._spread(month, held, parts, once)
            for owner, micro in spread.items():
                parts[owner] = parts.get(owner, 0) + micro
            hours, whole = sum(h.within(month) for h in held), sum(parts.values())
            for owner, micro in sorted(parts.items()):
                quantity = Fraction(hours * micro, whole) if hours and whole else None
                if micro:
                    yield self._used(pool, month, owner, micro, quantity)

    def _spread(
        self, month: str, held: list[_Held], hourly: dict[Key, int], once: dict[str, dict[Key, int]]
    ) -> dict[Key, int]:
        """A cash plan's payments at once, by the hours of their term, to those who use the commitment in a month."""
        paid = self._paid_at_once(held, once)
        amount = sum((Fraction(paid.get(h, 0) * h.within(month), h.nodes * h.hours) for h in held), Fraction(0))
        users = hourly or next(iter(once.values()), {})
        owners = sorted(users)
        return dict(zip(owners, apportion(round(amount), [users[o] for o in owners]), strict=True)) if owners else {}

    def _used(self, pool: Key, month: str, owner: Key, micro: int, quantity: Fraction | None) -> Row:
        provider, region, node, option = pool
        workload, team = owner
        status = "Unused" if workload == IDLE else "Used"
        row = _blank(self.plan.name, month, provider, "compute") | _place(provider, region, node, option, "compute")
        row |= _costs(Decimal(0), to_usd(micro)) | _priced(quantity, to_usd(micro), "Hours") | _discount(pool, row)
        row |= {"CommitmentDiscountStatus": status, "CommitmentDiscountQuantity": row["PricingQuantity"]}
        row |= {"CommitmentDiscountUnit": row["PricingUnit"]}
        if status == "Unused":
            name = row["CommitmentDiscountName"]
            row |= {"ChargeDescription": f"{node}, {name}, unused", "ResourceId": row["CommitmentDiscountId"]}
            return row | {"ResourceName": name, "ResourceType": "Commitment"}
        row |= {"ChargeDescription": f"{node}, {row['CommitmentDiscountName']}, for {workload}"}
        row |= {"ResourceId": f"{workload}/{provider}/{region}/{node}", "ResourceName": workload}
        return row | {"ResourceType": node, "Tags": _owner(workload, team)} | _consumed(row)

    def _purchase(self, pool: Key, month: str, micro: int, hours: int, frequency: str) -> Row:
        provider, region, node, option = pool
        row = _blank(self.plan.name, month, provider, "compute") | _place(provider, region, node, option, "compute")
        row |= _costs(to_usd(micro), Decimal(0)) | _priced(Fraction(hours) or None, to_usd(micro), "Hours")
        row |= _discount(pool, row) | {"ListCost": to_usd(micro), "ContractedCost": to_usd(micro)}
        row |= {"ChargeCategory": "Purchase", "ChargeFrequency": frequency}
        row |= {"CommitmentDiscountQuantity": row["PricingQuantity"], "CommitmentDiscountUnit": row["PricingUnit"]}
        row |= {"ResourceId": row["CommitmentDiscountId"], "ResourceName": row["CommitmentDiscountName"]}
        paid = "paid at once" if frequency == "One-Time" else "paid by the hour"
        said = {"ResourceType": "Commitment", "ChargeDescription": f"{node}, {row['CommitmentDiscountName']}, {paid}"}
        return row | said


def _by_owner(lines: Iterable[tuple[Key, int]], kind: str) -> dict[str, dict[Key, int]]:
    """Micro-dollars of a kind by month and (workload, team)."""
    made: dict[str, dict[Key, int]] = {}
    for key, micro in lines:
        if key[0] == kind:
            month = made.setdefault(key[7], {})
            month[key[5:7]] = month.get(key[5:7], 0) + micro
    return made


def _blank(name: str, month: str, provider: str, what: str) -> Row:
    """A row of usage with what all rows have."""
    start, end = (f"{t:%Y-%m-%dT%H:%M:%SZ}" for t in bounds(month))
    category, subcategory, service, meter, _ = SERVICES[what]
    issuer = NAMES.get(provider, provider) or NAMES[INTERNAL]
    times = {"BillingPeriodStart": start, "ChargePeriodStart": start, "BillingPeriodEnd": end, "ChargePeriodEnd": end}
    account = {"BillingAccountId": f"plan/{name}", "BillingAccountName": name} | dict.fromkeys(
        ("BillingCurrency", "PricingCurrency"), "USD"
    )
    row = dict.fromkeys(COLUMNS) | times | account
    row |= {"ChargeCategory": "Usage", "ChargeFrequency": "Usage-Based"}
    row |= dict.fromkeys(("ProviderName", "PublisherName", "InvoiceIssuerName"), issuer)
    row |= {"ServiceCategory": category, "ServiceSubcategory": subcategory, "ServiceName": service, "SkuMeter": meter}
    return row


def _place(provider: str, region: str, node: str, option: str, kind: str) -> Row:
    sku = "/".join(filter(None, (provider, region, node, kind if kind == "transfer" else "")))
    details = json.dumps({"InstanceType": node}) if node and kind != "transfer" else None
    made: Row = {"RegionId": region or None, "RegionName": region or None, "SkuId": sku, "x_Node": node or None}
    own = {"SkuPriceId": f"{sku}/{option}" if option else sku, "SkuPriceDetails": details}
    return made | own | {"x_Kind": kind, "x_Option": option or None}


def _discount(pool: Key, row: Row) -> Row:
    """The columns of a commitment."""
    identity, option = "/".join(pool), pool[3].replace("_", " ")
    row |= {"CommitmentDiscountId": identity, "CommitmentDiscountName": option, "CommitmentDiscountType": option}
    return {"CommitmentDiscountCategory": "Usage", "PricingCategory": "Committed"}


def _costs(billed: Decimal, effective: Decimal) -> Row:
    """What plans know of list prices are the prices they were made with."""
    made = {"BilledCost": billed, "PricingCurrencyEffectiveCost": effective}
    return made | dict.fromkeys(("EffectiveCost", "ListCost", "ContractedCost"), effective)


def _priced(quantity: Fraction | None, cost: Decimal, unit: str) -> Row:
    """Quantity and unit price: one month at its cost where the quantity is not known."""
    if not quantity:
        price, quantity, unit = Fraction(cost), Fraction(1), MONTHS_UNIT
    else:
        price = Fraction(cost) / quantity
    prices = ("ListUnitPrice", "ContractedUnitPrice")
    same = dict.fromkeys((*prices, *(f"PricingCurrency{p}" for p in prices)), round_money(price, FINE))
    return same | {"PricingQuantity": round_money(quantity, FINE), "PricingUnit": unit}


def _consumed(row: Row) -> Row:
    return {"ConsumedQuantity": row["PricingQuantity"], "ConsumedUnit": row["PricingUnit"]}


def _unit(what: str) -> str:
    return str(SERVICES[what][4])


def _owner(workload: str, team: str) -> str | None:
    return _tags({k: v for k, v in (("workload", workload), ("team", team)) if v and v != IDLE})


def _tags(tags: Mapping[str, Any]) -> str | None:
    return json.dumps(tags, ensure_ascii=False) if tags else None
