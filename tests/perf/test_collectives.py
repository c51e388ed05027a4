"""Alpha-beta times against hand arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.network import Link, all_gather, all_reduce, all_to_all, hierarchical_all_reduce, point_to_point

LINK = Link(np.array(1e-5), np.array(1e11))
RANKS = st.integers(1, 10).map(lambda k: np.array(2.0**k))


def test_all_reduce_by_hand() -> None:
    """1 GB over 8 ranks at 100 GB/s: 3 steps of 10 µs, and 2 × 7/8 × 10 ms."""
    assert all_reduce(np.array(1e9), np.array(8.0), LINK) == pytest.approx(3e-5 + 2 * 7 / 8 * 1e-2)


def test_the_other_collectives_by_hand() -> None:
    """A gather moves half of what an all-reduce does; one message pays one latency."""
    assert all_gather(np.array(1e9), np.array(4.0), LINK) == pytest.approx(2e-5 + 3 / 4 * 1e-2)
    assert all_to_all(np.array(1e9), np.array(2.0), LINK) == pytest.approx(1e-5 + 1 / 2 * 1e-2)
    assert point_to_point(np.array(1e9), LINK) == pytest.approx(1e-5 + 1e-2)


def test_a_group_of_one_takes_no_time() -> None:
    """Nothing to send."""
    one = np.array(1.0)
    for collective in (all_reduce, all_gather, all_to_all):
        assert collective(np.array(1e9), one, LINK) == 0


def test_one_node_is_the_flat_all_reduce() -> None:
    """Gather and scatter inside a node add up to an all-reduce there."""
    size, ranks, one = np.array(1e9), np.array(8.0), np.array(1.0)
    flat = 2 * all_gather(size, ranks, LINK)
    assert hierarchical_all_reduce(size, ranks, LINK, one, LINK) == pytest.approx(float(flat))


@given(size=st.floats(0, 1e12), ranks=RANKS, factor=st.floats(1, 100))
def test_more_bytes_ranks_or_latency_never_help(size: float, ranks: np.ndarray, factor: float) -> None:
    """And more bandwidth never hurts."""
    base = all_reduce(np.array(size), ranks, LINK)
    assert all_reduce(np.array(size * factor), ranks, LINK) >= base
    assert all_reduce(np.array(size), 2 * ranks, LINK) >= base
    assert all_reduce(np.array(size), ranks, Link(LINK.latency_s * factor, LINK.bytes_per_s)) >= base
    assert all_reduce(np.array(size), ranks, Link(LINK.latency_s, LINK.bytes_per_s * factor)) <= base
