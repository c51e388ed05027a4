"""Spot capacity: traces of what was to be had, the risk of a pool, and what of spot is left as work."""

from .risk import Count, Paths, PoolRisk, Seen, ahead, seen
from .together import down_together
from .traces import Market, Trace, markets, read_markets

__all__ = [
    "Count",
    "Market",
    "Paths",
    "PoolRisk",
    "Seen",
    "Trace",
    "ahead",
    "down_together",
    "markets",
    "read_markets",
    "seen",
]
