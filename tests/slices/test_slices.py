"""Slices of work on types of machine: against every assignment, against another formulation and engine, by hand."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

import solver
from solver import slices
from solver.engine import mathopt
from solver.engine import slices as engine
from solver.errors import CheckError, InputError
from solver.model import Program
from solver.money import to_micro
from solver.plan import Certificate
from solver.slices import SliceAssignment, assign_slices, check_slices, undominated

Array = np.ndarray[Any, np.dtype[Any]]


def drawn(seed: int, buckets: int, types: int, *, scale: float = 1.0) -> tuple[Array, Array, list[float]]:
    """Loads (some cannot run somewhere), items and prices."""
    rng = np.random.default_rng(seed)
    load = np.round(rng.uniform(0.05, 0.9, (buckets, types)) * scale, 3)
    load[rng.random(load.shape) < 0.15] = np.inf
    load[np.isinf(load).all(axis=1), 0] = 0.5
    return load, rng.integers(0, 3, buckets), np.round(rng.uniform(0.5, 4.0, types), 2).tolist()


def enumerated(load: Array, count: Array, usd: list[float], factor: int) -> int:
    """Micro-dollars of the cheapest of all ways to place every slice by itself, in fractions."""
    slices = [b for b, n in enumerate(count.tolist()) for _ in range(n * factor)]
    exact = [[None if math.isinf(x) else Fraction(str(x)) for x in row] for row in load.tolist()]
    micro = [round(Fraction(str(u)) * 10**6) for u in usd]
    best = None
    for way in itertools.product(range(len(usd)), repeat=len(slices)):
        busy = [Fraction(0)] * len(usd)
        for b, t in zip(slices, way, strict=True):
            if exact[b][t] is None:
                break
            busy[t] += exact[b][t]  # type: ignore[operator]
        else:
            paid = sum(math.ceil(x / factor) * m for x, m in zip(busy, micro, strict=True))
            best = paid if best is None else min(best, paid)
    assert best is not None
    return best


@pytest.mark.parametrize("seed", range(60))
def test_enumeration_agrees(seed: int) -> None:
    """Up to eight slices on up to three types: the price is that of the best of all ways, and proved."""
    rng = np.random.default_rng([seed, 1])
    load, count, usd = drawn(seed, int(rng.integers(1, 5)), int(rng.integers(1, 4)))
    factor = 1 if count.sum() > 4 else 2
    if count.sum() * factor > 8:
        count = np.minimum(count, 1)
    found = assign_slices(load, count, usd, factor)
    expected = enumerated(load, count, usd, factor)
    assert found.certificate.upper_micro_usd == expected
    assert found.certificate.lower_micro_usd == expected
    assert int(found.machines @ np.round(np.array(usd) * 1e6).astype(int)) == expected


def one_by_one(load: Array, count: Array, usd: list[float], factor: int) -> Program:
    """A yes or no for each slice and type, as the literature has it."""
    slices = np.repeat(load, count * factor, axis=0) / factor
    n, types = slices.shape
    can = np.isfinite(slices)
    cells = np.arange(n * types)
    rows = np.concatenate([cells // types, n + cells % types, n + np.arange(types)])
    columns = np.concatenate([cells, cells, n * types + np.arange(types)])
    values = np.concatenate([np.ones(n * types), np.where(can, slices, 0).ravel(), -np.ones(types)])
    return Program(
        cost=np.concatenate([np.zeros(n * types), usd]),
        lower=np.zeros(n * types + types),
        upper=np.concatenate([can.ravel().astype(float), np.full(types, 100.0)]),
        whole=np.ones(n * types + types, dtype=bool),
        matrix=csr_array((values, (rows, columns)), shape=(n + types, n * types + types)),
        row_lower=np.concatenate([np.ones(n), np.full(types, -np.inf)]),
        row_upper=np.concatenate([np.ones(n), np.zeros(types)]),
    )


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", ["highs", "scip"])
def test_another_formulation_and_engine_agree(seed: int, name: mathopt.Name) -> None:
    """A dozen buckets, four types, every slice a column."""
    load, count, usd = drawn(seed, 8, 4, scale=1.5)
    factor = 1 + seed % 3
    answer = mathopt.solve(one_by_one(load, count, usd, factor), engine=name, tight=True, time_limit_s=20)
    found = assign_slices(load, count, usd, factor)
    assert found.certificate.lower_micro_usd == found.certificate.upper_micro_usd
    assert answer.bound * 1e6 <= found.certificate.upper_micro_usd + 1
    if answer.status == "optimal":
        assert answer.objective == pytest.approx(float(found.usd_per_hour), abs=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_whole_model_at_once_agrees(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of problems with too many fleets finds the same price, and bounds it."""
    load, count, usd = drawn(seed, 8, 4)
    expected = assign_slices(load, count, usd, 2).certificate.upper_micro_usd
    monkeypatch.setattr(engine, "MOST_FLEETS", 0)
    found = assign_slices(load, count, usd, 2).certificate
    assert (found.lower_micro_usd, found.upper_micro_usd) == (expected, expected)


@pytest.mark.parametrize("seed", range(12))
def test_search_in_whole_numbers_agrees_with_rounding(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without roundings of the relaxation CP-SAT fills every fleet."""
    load, count, usd = drawn(seed, 8, 4)
    expected = assign_slices(load, count, usd, 2).certificate
    monkeypatch.setattr(engine, "_rounded", lambda *_: None)
    assert assign_slices(load, count, usd, 2).certificate == expected


def test_by_hand() -> None:
    """Ten tenths of a small machine at $1, or one large at $3 that carries all: one small, as 10 × 0.1 is 1 exactly."""
    found = assign_slices(np.array([[0.1, 0.01]]), np.array([10]), [1.0, 3.0])
    assert found.machines.tolist() == [1, 0]
    assert found.slices.tolist() == [[10, 0]]
    assert str(found.usd_per_hour) == "1.000000"
    found = assign_slices(np.array([[0.1, 0.01]]), np.array([40]), [1.0, 3.0])
    assert found.machines.tolist() == [0, 1]
    assert found.usd_per_hour == 3


def test_slices_go_to_different_types() -> None:
    """An item keeps 1.5 machines at $1 busy, or 3 at $0.90: $2 in one piece; in thirds 1 + 1 machines are $1.90."""
    load, usd = np.array([[1.5, 3.0]]), [1.0, 0.9]
    assert assign_slices(load, np.array([1]), usd).machines.tolist() == [2, 0]
    found = assign_slices(load, np.array([1]), usd, 3)
    assert found.machines.tolist() == [1, 1]
    assert found.slices.tolist() == [[2, 1]]


def test_alike_buckets_are_merged_and_told_apart_again() -> None:
    """Five buckets of which three are alike: each gets its own slices back."""
    load = np.array([[0.3, 0.2], [0.5, 0.1], [0.3, 0.2], [0.3, 0.2], [0.5, 0.1]])
    count = np.array([1, 2, 0, 3, 1])
    found = assign_slices(load, count, [1.0, 0.9], 4)
    assert found.slices.sum(axis=1).tolist() == [4, 8, 0, 12, 4]
    merged = assign_slices(np.array([[0.3, 0.2], [0.5, 0.1]]), np.array([4, 3]), [1.0, 0.9], 4)
    assert found.certificate == merged.certificate


def test_dominated_types_are_dropped() -> None:
    """No dearer and no more load anywhere; of two that are alike one stays."""
    load = np.array([[0.5, 0.4, 0.5, 0.1], [0.5, 0.5, 0.5, np.inf]])
    assert undominated(load, np.array([10, 10, 10, 5])).tolist() == [1, 3]
    assert len(undominated(load[:, [0, 2]], np.array([10, 10]))) == 1
    assert undominated(load, np.array([9, 10, 11, 5])).tolist() == [0, 1, 3]


def beaten(load: Array, price: Array, kept: list[int], t: int) -> bool:
    """Whether a type in a list is no dearer than a type and carries every bucket for no more load."""
    return any(price[k] <= price[t] and (load[:, k] <= load[:, t]).all() for k in kept)


@given(st.integers(0, 10**9))
@settings(max_examples=200, deadline=None)
def test_undominated_types_beat_all_others_and_not_one_another(seed: int) -> None:
    """By definition, type by type, with many ties of loads and prices."""
    rng = np.random.default_rng(seed)
    load = rng.integers(1, 4, (rng.integers(0, 4), rng.integers(1, 9))) / 2.0
    load[rng.random(load.shape) < 0.1] = np.inf
    price = rng.integers(1, 4, size=(load.shape[1],))
    kept = undominated(load, price).tolist()
    others = sorted(set(range(len(price))) - set(kept))
    assert all(beaten(load, price, kept, t) for t in others)
    assert not any(beaten(load, price, [k for k in kept if k != t], t) for t in kept)


@given(
    st.lists(
        st.one_of(
            st.floats(0, 1e12, allow_nan=False),
            st.floats(0, 1e3, allow_nan=False),
            st.integers(0, 10**9).map(lambda n: (2 * n + 1) / 2e6),  # halfway between two micro-dollars
        ),
        min_size=1,
    )
)
@settings(max_examples=300, deadline=None)
def test_prices_are_rounded_as_the_decimals_that_they_print_as(usd: list[float]) -> None:
    """All at once as one by one."""
    assert slices._micro_usd(usd).tolist() == [to_micro(str(x)) for x in usd]


@pytest.mark.parametrize("halfway", [0.0000005, 0.0000015, 2.5000005, 1234.5678905])
def test_half_a_micro_dollar_goes_to_the_even_one(halfway: float) -> None:
    """Where a float would not know."""
    whole = int(Fraction(str(halfway)) * 10**6)
    assert slices._micro_usd([halfway]).tolist() == [whole + whole % 2]


@pytest.mark.parametrize("shape", [(1, 5), (7, 1), (30, 3), (0, 2)])
def test_alike_rows_are_merged_in_ascending_order(shape: tuple[int, int]) -> None:
    """As numpy has them, by another way."""
    rng = np.random.default_rng(0)
    load = rng.choice(rng.uniform(0, 1, 5), shape)
    rows, which = slices._alike(load)
    assert (rows == np.unique(load, axis=0)).all()
    assert (rows[which] == load).all()


def test_one_task_on_thousands_of_types_is_quick() -> None:
    """Work in proportion to the types: of 100,000, each is looked at a few times."""
    usd = np.random.default_rng(0).uniform(1, 50, 100_000)
    start = time.process_time()
    found = assign_slices(np.ones((1, len(usd))), np.array([1]), usd.tolist())
    assert time.process_time() - start < 2
    assert found.machines.argmax() == usd.argmin()
    assert found.machines.sum() == 1


def test_nothing_to_do() -> None:
    """No items, or none that keep anything busy."""
    none = assign_slices(np.array([[0.5, 0.2]]), np.array([0]), [1.0, 2.0])
    assert none.machines.tolist() == [0, 0]
    assert none.usd_per_hour == 0
    idle = assign_slices(np.array([[0.5, 0.0]]), np.array([3]), [1.0, 2.0], 2)
    assert (idle.machines.tolist(), idle.slices.tolist()) == ([0, 0], [[0, 6]])


def test_out_of_time_the_bound_is_still_one() -> None:
    """With no time at all: a sound assignment, and a lower bound not above the optimum."""
    load, count, usd = drawn(3, 12, 4, scale=2.0)
    best = assign_slices(load, count, usd, 3).certificate
    rushed = assign_slices(load, count, usd, 3, time_limit_s=0.0).certificate
    assert rushed.lower_micro_usd <= best.upper_micro_usd <= rushed.upper_micro_usd


def test_refutation_is_believed_only_when_both_engines_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where HiGHS does not confirm, the fleet stays in the bound; the assignment is as good."""
    load, count, usd = np.array([[1.5, 3.0]]), np.array([1]), [1.0, 0.9]  # one of each would do for parts of it
    sure = assign_slices(load, count, usd).certificate
    assert sure.lower_micro_usd == sure.upper_micro_usd == 2_000_000
    monkeypatch.setattr(engine, "_short", lambda *_: False)
    unsure = assign_slices(load, count, usd).certificate
    assert (unsure.lower_micro_usd, unsure.upper_micro_usd) == (1_900_000, 2_000_000)


def test_check_sees_every_fault() -> None:
    """A slice lost, a slice where it cannot run, a machine less, another bill, a bound above it."""
    load, count, usd = np.array([[0.5, np.inf], [0.4, 0.3]]), np.array([3, 2]), [1.0, 2.0]
    found = assign_slices(load, count, usd)
    assert check_slices(load, count, usd, 1, found) == []

    def faults(**changes: Any) -> str:
        return "; ".join(check_slices(load, count, usd, 1, dataclasses.replace(found, **changes)))

    assert "2 of 3 slices" in faults(slices=found.slices - [[1, 0], [0, 0]])
    assert "cannot run" in faults(slices=np.array([[2, 1], [2, 0]]))
    assert "too few" in faults(machines=found.machines - [1, 0])
    paid = found.certificate.upper_micro_usd
    assert "micro-dollars" in faults(
        certificate=Certificate(kind="proved", lower_micro_usd=0, upper_micro_usd=paid - 1)
    )
    above = Certificate(kind="proved", lower_micro_usd=paid + 1, upper_micro_usd=paid)
    assert "above the price" in faults(certificate=above)


def test_what_fails_the_check_is_not_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the engine says."""
    nothing = engine.Placement(slices=np.zeros((1, 1), dtype=int), machines=np.zeros(1, dtype=int), lower=0)
    monkeypatch.setattr(engine, "cheapest", lambda *_, **__: nothing)
    with pytest.raises(CheckError, match="0 of 2 slices"):
        assign_slices(np.array([[0.5]]), np.array([2]), [1.0])


@pytest.mark.parametrize(
    ("load", "count", "usd", "factor", "message"),
    [
        ([[0.5]], [1, 2], [1.0], 1, r"load must be \[buckets, types\]"),
        ([[0.5]], [1], [1.0, 2.0], 1, r"load must be \[buckets, types\]"),
        ([[-0.5]], [1], [1.0], 1, "a load is a number"),
        ([[math.nan]], [1], [1.0], 1, "a load is a number"),
        ([[0.5]], [1.5], [1.0], 1, "items are whole"),
        ([[0.5]], [-1], [1.0], 1, "items are whole"),
        ([[0.5]], [1], [0.0], 1, "a machine costs something"),
        ([[0.5]], [1], [1.0], 0, "0 slices an item"),
        ([[0.5]], [2**31], [1.0], 1, "2³¹"),
        ([[math.inf]], [1], [1.0], 1, "bucket 0: no type can serve it"),
    ],
)
def test_refused(load: Any, count: Any, usd: list[float], factor: int, message: str) -> None:
    """Each with the place and the mend."""
    with pytest.raises(InputError, match=message):
        assign_slices(np.array(load), np.array(count), usd, factor)


def test_public_name() -> None:
    """Of the package."""
    assert solver.assign_slices is assign_slices
    assert isinstance(solver.assign_slices(np.array([[0.5]]), np.array([1]), [1.0]), SliceAssignment)
