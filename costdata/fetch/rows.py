"""What an importer gives: prices, and an account of every raw row it read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import mechanisms, packaged
from .errors import FetchError

if TYPE_CHECKING:
    from ..schema import Node
    from .client import Client

EXAMPLES = 3  # of what was dropped for a reason, told
READ, KEPT, DROPPED = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a node of a shape costs in a region today; money in dollars, exact, `usd_per_hour` an hour of the node.

    `upfront_usd` is paid at once besides. Zones and interruptions that the source does not tell are None: what the
    tables have stays, or the region's zones and the provider's prior stand for them.
    """

    provider: str
    region: str
    node: str
    option: str
    usd_per_hour: Decimal
    upfront_usd: Decimal = Decimal(0)
    zones: int | None = None
    interruptions_per_month: Decimal | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What the price is of."""
        return self.provider, self.region, self.node, self.option


class Raw(NamedTuple):
    """One row as the source gave it, and its number in the ledger."""

    number: int
    value: Any


@dataclass
class Ledger:
    """Every raw row that an importer reads ends kept (it is in a price) or dropped for a reason, exactly once."""

    states: bytearray = field(default_factory=bytearray)
    dropped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    unpriced: Counter[str] = field(default_factory=Counter)
    covered: set[tuple[str, str]] = field(default_factory=set)
    elsewhere: set[tuple[str, str]] = field(default_factory=set)

    def rows(self, values: Iterable[Any]) -> Iterator[Raw]:
        """Count rows as they are read."""
        for value in values:
            self.states.append(READ)
            yield Raw(len(self.states) - 1, value)

    def keep(self, *raws: Raw) -> None:
        """These rows are in a price. A row that is in several prices is kept once."""
        for raw in raws:
            self._settle(raw, KEPT)

    def drop(self, reason: str, what: str, *raws: Raw) -> None:
        """These rows are in none, for a reason in a few fixed words; `what` names them, with no secret in it."""
        for raw in raws:
            self._settle(raw, DROPPED)
        self.dropped[reason] += len(raws)
        self._example(reason, what)

    def note(self, reason: str, what: str) -> None:
        """What could have had a price and has none: a shape with a part missing; no row of the source."""
        self.unpriced[reason] += 1
        self._example(reason, what)

    def cover(self, provider: str, *options: str) -> None:
        """All there is of these options has been read to the end: what was not among it is gone."""
        self.covered |= {(provider, option) for option in options}

    def leave(self, provider: str, node: str) -> None:
        """A shape whose prices stand in another list: that it is not among these says nothing."""
        self.elsewhere.add((provider, node))

    @property
    def read(self) -> int:
        """Rows read."""
        return len(self.states)

    @property
    def kept(self) -> int:
        """Rows kept."""
        return self.states.count(KEPT)

    def balanced(self) -> None:
        """Read = kept + dropped.

        Raises:
            FetchError: a row ended as neither.
        """
        if READ in self.states:
            text = f"row {self.states.index(READ) + 1} of {self.read} is neither kept nor dropped"
            raise FetchError(text, mend="report this: the importer loses rows")

    def _settle(self, raw: Raw, state: int) -> None:
        if self.states[raw.number] != READ:
            raise FetchError(f"row {raw.number + 1} is accounted for twice", mend="report this: the importer is wrong")
        self.states[raw.number] = state

    def _example(self, reason: str, what: str) -> None:
        told = self.examples.setdefault(reason, [])
        if what and what not in told and len(told) < EXAMPLES:
            told.append(what)


@dataclass(frozen=True)
class Known:
    """The shapes and regions that the tables have; what they lack cannot be priced."""

    nodes: dict[tuple[str, str], Node]
    regions: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, providers: Iterable[str]) -> Known:
        """Of the packaged tables."""
        names = tuple(providers)
        return cls(
            {pair: node for who in names for pair, node in packaged.nodes(who).items()},
            frozenset(pair for who in names for pair in packaged.regions(who)),
        )

    def wanting(self, provider: str, region: str, node: str) -> str:
        """Why a price of this cannot be used: "unknown node", "unknown region", or "" if it can."""
        if (provider, node) not in self.nodes:
            return "unknown node"
        return "" if (provider, region) in self.regions else "unknown region"

    @staticmethod
    def sells(provider: str, option: str) -> bool:
        """Whether a provider sells an option, as the tables know it."""
        about = packaged.options().get(option)
        return about is not None and (about.kind != "commitment" or option in mechanisms.sold(provider))


Fetch = Callable[["Client", Known, Ledger], Iterator[Price]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One place that prices come from.

    `own` says that it is the providers' own price list: what it has no more is gone, and no catalogue that others
    compile replaces it. `extra` is what to install for it, `needs` the credentials it takes, in words.
    """

    name: str
    title: str
    providers: tuple[str, ...]
    options: tuple[str, ...]
    hosts: frozenset[str]
    fetch: Fetch
    own: bool = False
    extra: str
    needs: str = ""
    pause_s: float = 0.1  # between two requests to one host
