"""Spot capacity: traces of what was to be had, the risk of a pool, and what of spot is left as work."""

from .traces import Market, Trace, markets, read_markets

__all__ = ["Market", "Trace", "markets", "read_markets"]
