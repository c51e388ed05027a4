"""What has misled solvers before, each measured once: the engine's calls and its bounds must not fall for it again."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import csr_array

from solver.engine import mathopt
from solver.engine.duals import dual_bound
from solver.errors import EngineError
from solver.model import Model, Program

from .draws import drawn
from .exact import choice_of
from .opinions import search

Array = np.ndarray[Any, np.dtype[Any]]
INF = math.inf
ROOT = Path(__file__).parents[2]
ENGINES: tuple[mathopt.Name, ...] = ("highs", "scip")


def program(
    cost: Any,
    rows: Any = (),
    *,
    row_lower: Any = (),
    row_upper: Any = (),
    lower: Any = None,
    upper: Any = None,
    whole: bool = False,
) -> Program:
    """A program from lists: x ≥ 0, no upper bounds and no whole numbers unless said."""
    n, m = len(cost), len(row_lower) or len(row_upper)
    return Program(
        cost=np.array(cost, dtype=float),
        lower=np.zeros(n) if lower is None else np.array(lower, dtype=float),
        upper=np.full(n, INF) if upper is None else np.array(upper, dtype=float),
        whole=np.full(n, whole),
        matrix=csr_array(np.array(rows, dtype=float).reshape(m, n)),
        row_lower=np.array(row_lower, dtype=float) if len(row_lower) else np.full(m, -INF),
        row_upper=np.array(row_upper, dtype=float) if len(row_upper) else np.full(m, INF),
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("huge", [1e18, 1e30, 1e300])
@pytest.mark.parametrize("whole", [False, True])
def test_huge_finite_bounds_are_no_bounds(engine: mathopt.Name, huge: float, whole: bool) -> None:
    """A row bound of 10¹⁸ once made a solver say optimal, with 0, at once."""
    p = program([1, 2], [[1, 1], [1, 0]], row_lower=[3, -huge], row_upper=[huge, 2], upper=[huge, huge], whole=whole)
    answer = mathopt.solve(p, engine=engine)
    assert answer.status == "optimal"
    assert answer.values is not None
    assert answer.values.tolist() == pytest.approx([2, 1])
    assert answer.objective == pytest.approx(4)
    assert answer.bound == pytest.approx(4)


@pytest.mark.parametrize("engine", ENGINES)
def test_entries_in_any_order_and_twice_at_a_place(engine: mathopt.Name) -> None:
    """MathOpt wants entries by row, then column, each once; models are filled in any order, and entries add up."""
    model = Model()
    x = model.columns((3,), upper=10.0)
    rows = model.rows("r", (2,), lower=np.array([6.0, 5.0]))
    for row, column, value in ((1, 2, 1.0), (0, 1, 1.0), (1, 0, 1.0), (0, 0, 2.0), (0, 1, 1.0), (0, 2, -1.0)):
        model.put(rows[row], x[column], value)
    model.cost(x, np.array([1.0, 4.0, 0.5]))
    answer = mathopt.solve(model.program(), engine=engine)
    assert answer.values is not None
    # 2 a + 2 b − c ≥ 6 and a + c ≥ 5, at a + 4 b + c / 2: c = 5 − a, so that 3 a ≥ 11
    assert answer.values.tolist() == pytest.approx([11 / 3, 0, 4 / 3])
    unsorted = csr_array((np.array([2.0, 1.0]), np.array([1, 0]), np.array([0, 2])), shape=(1, 2))
    p = program([1, 1], [[1, 1]], row_lower=[4])
    answer = mathopt.solve(p.replace(matrix=unsorted), engine=engine)
    assert answer.values is not None
    assert answer.values.tolist() == pytest.approx([0, 2])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("whole", [False, True])
def test_programs_with_nothing_in_them(engine: mathopt.Name, whole: bool) -> None:
    """No rows, no columns, rows without entries, columns without entries."""
    alone = mathopt.solve(program([2, 0], lower=[1, 0], upper=[9, 9], whole=whole), engine=engine)
    assert alone.objective == pytest.approx(2)
    nothing = mathopt.solve(program([], [], row_lower=[-1, 0], whole=whole), engine=engine)
    assert (nothing.status, nothing.objective) == ("optimal", 0)
    empty_row = program([1], [[0], [1]], row_lower=[0, 3], whole=whole)
    assert mathopt.solve(empty_row, engine=engine).objective == pytest.approx(3)
    empty_column = program([1, -1], [[1, 0]], row_lower=[3], upper=[9, 4], whole=whole)
    assert mathopt.solve(empty_column, engine=engine).objective == pytest.approx(-1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    "p",
    [
        program([1, 1], [[1, 1], [1, 1]], row_lower=[3, -INF], row_upper=[INF, 2]),
        program([1], [[0]], row_lower=[1]),
        program([], [[]], row_lower=[1]),
        program([], [[]], row_upper=[-1]),
        program([1], [[1]], row_lower=[3], upper=[2]),
    ],
    ids=["two rows", "a row without entries", "no columns: too little", "no columns: too much", "a bound"],
)
def test_what_cannot_be_is_said_to_be_infeasible(engine: mathopt.Name, whole: bool, p: Program) -> None:
    """And comes without values and without a bound that could be taken for one."""
    answer = mathopt.solve(p.replace(whole=np.full(p.shape[1], whole)), engine=engine)
    assert answer.status == "infeasible"
    assert answer.values is None
    assert answer.objective == INF


def test_whole_numbers_between_which_there_is_none() -> None:
    """Feasible as fractions, not as whole numbers: 2 a + 2 b = 3."""
    p = program([1, 1], [[2, 2]], row_lower=[3], row_upper=[3], upper=[5, 5], whole=True)
    for engine in ENGINES:
        assert mathopt.solve(p, engine=engine).status == "infeasible"
        assert mathopt.solve(p.relaxed(), engine=engine).objective == pytest.approx(1.5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bound_is_not_the_objective(engine: mathopt.Name) -> None:
    """One engine reported what it had found as what it had proved; so stop early and compare with the optimum."""
    rng = np.random.default_rng(5)
    rows = rng.integers(5, 60, (6, 40))
    p = program(
        rng.integers(10, 90, 40), rows, row_lower=(rows.sum(axis=1) * 0.37).round(), upper=np.ones(40), whole=True
    )
    best = mathopt.solve(p, engine="scip" if engine == "highs" else "highs").objective
    early = mathopt.solve(p, engine=engine, gap=0.5, node_limit=1)
    assert early.bound <= best + 1e-6
    if early.values is not None:
        assert early.objective >= best - 1e-6
    full = mathopt.solve(p, engine=engine)
    assert full.objective == pytest.approx(best)
    assert best - 1e-6 <= full.bound + 1e-6 * best


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "p",
    [
        program([math.nan], [[1]], row_lower=[1]),
        program([1], [[math.nan]], row_lower=[1]),
        program([1], [[1]], row_lower=[math.nan]),
        program([1], [[math.inf]], row_lower=[1]),
        program([math.inf], [[1]], row_lower=[1]),
    ],
    ids=["cost", "entry", "row", "endless entry", "endless cost"],
)
def test_nonsense_is_one_typed_error(engine: mathopt.Name, p: Program) -> None:
    """MathOpt's own errors surface as attribute errors of a status."""
    with pytest.raises(EngineError):
        mathopt.solve(p, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_no_time_at_all(engine: mathopt.Name) -> None:
    """A limit below what a back-end takes is no error, and whatever comes back is not beyond the truth."""
    p = program([3, 2], [[2, 1]], row_lower=[7], upper=[9, 9], whole=True)
    for seconds in (0.0, -5.0, 1e-9):
        answer = mathopt.solve(p, engine=engine, time_limit_s=seconds)
        assert answer.bound <= 11 + 1e-6
        assert answer.values is None or answer.objective >= 11 - 1e-6


@pytest.mark.parametrize("large", [False, True])
def test_the_same_problem_gives_the_same_plan(large: bool) -> None:
    """Workers and clocks gave eight answers in eight runs; one worker without a clock gives one."""
    for seed in (10, 13, 36, 60):
        first, second = (search(drawn(seed), large=large, deterministic=True) for _ in range(2))
        assert (first.termination, first.bound) == (second.termination, second.bound)
        if first.decision is not None:
            assert second.decision is not None
            assert choice_of(first.decision) == choice_of(second.decision)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal")
@pytest.mark.parametrize("search", ["engine.run", "second_engine.optimum"])
def test_ctrl_c_is_still_ctrl_c(search: str) -> None:
    """CP-SAT takes SIGINT for itself, and afterwards leaves it to end the process, whatever Python knows of it."""
    options = "RULES, time_limit_s=9, gap=0.0, seed=0, deterministic=False, report=print" if "run" in search else ""
    code = (
        "import signal; from solver.engine import run as engine; from solver.rules import RULES\n"
        "from tests.core import second_engine; from tests.core.draws import drawn\n"
        f"{search}(drawn(1), {options})\n"
        "try: signal.raise_signal(signal.SIGINT)\n"
        "except KeyboardInterrupt: print('interrupted')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()[-11:]) == (0, "interrupted"), done.stderr


# --- bounds from prices ----------------------------------------------------------------------------------------------

NUMBERS = st.integers(-5, 5)
EXAMPLES = settings(
    derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)  # a busy machine is no fault


@st.composite
def small_programs(draw: st.DrawFn) -> Program:
    """Up to 6 columns and 5 rows of small whole numbers; bounds and rows are open on any side, or on none."""
    n, m = draw(st.integers(1, 6)), draw(st.integers(0, 5))
    cells = draw(st.lists(NUMBERS, min_size=n * m, max_size=n * m))
    lower = np.array(draw(st.lists(st.sampled_from([-INF, -2.0, 0.0, 0.0, 0.0]), min_size=n, max_size=n)))
    width = np.array(draw(st.lists(st.sampled_from([0.0, 1.0, 4.0, INF]), min_size=n, max_size=n)))
    upper = np.nan_to_num(lower, neginf=0.0) + width
    row_lower = np.array(draw(st.lists(st.sampled_from([-INF, -3.0, 0.0, 2.0]), min_size=m, max_size=m)))
    row_width = np.array(draw(st.lists(st.sampled_from([0.0, 3.0, INF]), min_size=m, max_size=m)))
    row_upper = np.nan_to_num(row_lower, neginf=0.0) + row_width
    cost = draw(st.lists(st.integers(-3, 9), min_size=n, max_size=n))
    return program(
        cost, np.array(cells).reshape(m, n), row_lower=row_lower, row_upper=row_upper, lower=lower, upper=upper
    )


def independent(p: Program) -> tuple[int, float]:
    """Status (0 optimal, 2 infeasible, 3 unbounded) and optimum, without the planner's own calls."""
    dense, rows, limits = p.matrix.toarray(), [], []
    for row, low, high in zip(dense, p.row_lower, p.row_upper, strict=True):
        if math.isfinite(high):
            rows.append(row)
            limits.append(high)
        if math.isfinite(low):
            rows.append(-row)
            limits.append(-low)
    found = linprog(
        p.cost,
        A_ub=np.array(rows) if rows else None,
        b_ub=limits or None,
        bounds=list(zip(p.lower, p.upper, strict=True)),
    )
    return int(found.status), float(found.fun) if found.status == 0 else INF


@given(p=small_programs(), data=st.data())
@settings(EXAMPLES, max_examples=300)
def test_any_prices_give_a_bound(p: Program, data: st.DataObject) -> None:
    """Whatever the prices are, of whatever sign, the bound is not above the optimum."""
    prices = np.array(data.draw(st.lists(st.floats(-20, 20), min_size=p.shape[0], max_size=p.shape[0])), dtype=float)
    right = np.where(np.isinf(p.row_lower), np.minimum(prices, 0), prices)
    right = np.where(np.isinf(p.row_upper), np.maximum(right, 0), right)
    assert dual_bound(p, prices) == dual_bound(p, right)  # a price of the wrong sign is no price
    status, best = independent(p)
    if status == 3:
        assert dual_bound(p, prices) == -INF
    elif status == 0:
        assert dual_bound(p, prices) <= best + 1e-6 * (1 + abs(best))


@given(p=small_programs())
@settings(EXAMPLES, max_examples=150)
def test_the_prices_of_the_optimum_give_the_optimum(p: Program) -> None:
    """No weaker than it has to be; and both ways of solving agree. Columns have bounds, as the planner's do."""
    p = p.replace(lower=np.maximum(p.lower, -2.0), upper=np.minimum(p.upper, 50.0))
    status, best = independent(p)
    answer = mathopt.solve(p)
    assert (answer.status == "optimal") == (status == 0)
    if status == 0:
        assert answer.objective == pytest.approx(best, abs=1e-6)
        assert answer.bound == pytest.approx(best, abs=1e-6)
        if p.shape[0]:
            assert answer.duals is not None
            assert dual_bound(p, answer.duals) == pytest.approx(best, abs=1e-6)


def test_a_column_without_end_that_is_worth_next_to_nothing_is_worth_it() -> None:
    """−5·10⁻¹⁰ a unit and 10¹² units: the optimum is −500, and no prices may claim more."""
    p = program([-5e-10], [[1]], row_upper=[1e12])
    assert dual_bound(p, np.zeros(1)) <= -500
    assert dual_bound(p, np.array([-5e-10])) == pytest.approx(-500)
