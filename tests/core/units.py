"""Units in which what a problem counts is whole, so that trying everything is sums of Python integers."""

from __future__ import annotations

import math
from fractions import Fraction

from solver.problem import Problem

from .exact import Facts, futures

PICO = 10**6  # pico-dollars of a micro-dollar


class Units:
    """How many of the units in which all amounts of a kind are whole are one of what they count."""

    def __init__(self, f: Facts) -> None:
        """Look at all that is counted."""
        carbon = [f.carbon_price(c, 0) for c in f.candidates]
        grams = [f.grams(c, 0) for c in f.candidates]
        share = [share for _, share in f.problem.limits.uncertain]
        weights = denominator(f.weight)
        self.weight = [int(w * weights) for w in f.weight]
        self.hourly = math.lcm(denominator(carbon), PICO)  # of a micro-dollar an hour, with and without hours in it
        self.cost = self.hourly * weights  # of an expected micro-dollar
        self.mass = denominator(grams)
        self.grams = self.mass * weights  # of an expected gram
        self.rise = denominator(share)
        self.spent = self.rise * weights  # of an expected micro-dollar of rises
        self.of_carbon = [int(v * self.hourly) for v in carbon]
        self.of_grams = [int(v * self.mass) for v in grams]
        self.of_share = [int(v * self.rise) for v in share]
        self.per_pico = self.hourly // PICO


class Futures:
    """The futures of a problem in whole numbers: how probable each is, and the share of its time in each scenario."""

    def __init__(self, problem: Problem) -> None:
        """Find the units."""
        probability, share = futures(problem)
        self.chances, self.hours = denominator(probability), denominator([v for row in share for v in row])
        self.chance = [int(p * self.chances) for p in probability]
        self.share = [[int(v * self.hours) for v in row] for row in share]

    def tail(self, by_scenario: list[int], level: Fraction) -> Fraction:
        """Mean over the worst futures that have the probability 1 − level, of amounts of each scenario."""
        amount = [sum([t * v for t, v in zip(row, by_scenario, strict=True)]) for row in self.share]
        rest = 1 - level
        least = min(
            eta * self.chances * rest.numerator
            + sum([p * (v - eta) for p, v in zip(self.chance, amount, strict=True) if v > eta]) * rest.denominator
            for eta in amount
        )
        return Fraction(least, self.chances * rest.numerator * self.hours)


def denominator(values: list[Fraction]) -> int:
    """The least that makes all of them whole."""
    return math.lcm(*(v.denominator for v in values))
