"""Commitments: which to buy, when and how many, for usage that is known, or forecast in several futures.

portfolio = commit(Reserve(pools=..., usage=..., choices=...))
portfolio.purchases.to_frame()
"""

from .check import check
from .nouns import Aim, Choices, Pools, Portfolio, Reserve, Usage
from .plan import commit, futures, otherwise, priced, scaled

__all__ = [
    "Aim", "Choices", "Pools", "Portfolio", "Reserve", "Usage", "check", "commit", "futures", "otherwise", "priced",
    "scaled",
]  # fmt: skip
