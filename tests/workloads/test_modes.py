"""Mode tables: taking, joining, and exact dominance against enumeration."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from solver.workloads import ModeTable
from solver.workloads.modes import COLUMNS, pareto

ROWS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.sampled_from("ab")), max_size=12)


def table(rows: list[tuple[int, int, int, str]]) -> ModeTable:
    """Modes of (nodes, units, TTFT, node name)."""
    columns: dict[str, list[object]] = {name: [1] * len(rows) for name in COLUMNS}
    columns |= {"nodes_per_replica": [r[0] for r in rows], "units_per_hour": [r[1] for r in rows]}
    columns |= {"ttft_ms": [r[2] for r in rows], "node": [r[3] for r in rows], "provider": ["aws"] * len(rows)}
    return ModeTable.build(**columns)


def test_an_empty_table_has_every_column() -> None:
    """And its types."""
    empty = ModeTable.empty()
    assert len(empty) == len(ModeTable.concat([])) == 0
    assert empty.units_per_hour.dtype == np.int64
    assert empty.to_table().names == COLUMNS


def test_concat_then_take_gives_the_parts_back() -> None:
    """Row order is kept."""
    left, right = table([(1, 2, 3, "a")]), table([(2, 3, 1, "b"), (1, 1, 1, "b")])
    both = ModeTable.concat([left, right])
    assert both.node.tolist() == ["a", "b", "b"]
    assert both.take(both.node == "b").units_per_hour.tolist() == [3, 1]


@given(ROWS)
def test_undominated_is_what_enumeration_says(rows: list[tuple[int, int, int, str]]) -> None:
    """A row goes exactly if another of its node is as good in everything, and better in something or earlier."""

    def beaten(j: int) -> bool:
        nodes, units, ttft, name = rows[j]
        for i, (n, u, t, other) in enumerate(rows):
            good = other == name and n <= nodes and u >= units and t <= ttft
            if good and ((n, u, t) != (nodes, units, ttft) or i < j):
                return True
        return False

    kept = table(rows).undominated()
    expected = [row for j, row in enumerate(rows) if not beaten(j)]
    found = zip(kept.nodes_per_replica, kept.units_per_hour, kept.ttft_ms, kept.node, strict=True)
    assert [(int(n), int(u), int(t), str(s)) for n, u, t, s in found] == expected


def test_missing_latencies_count_as_equal() -> None:
    """Training modes have no TTFT."""
    keep = pareto(np.array([1, 2, 2]), np.array([-5, -5, -9]), np.full(3, np.nan), group=np.zeros(3))
    assert keep.tolist() == [True, False, True]
