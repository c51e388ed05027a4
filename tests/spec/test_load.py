"""From a spec to a problem: overrides beside it, kinds of workload nobody thought of, and specs spoilt at random."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import solver.spec
from solver.errors import InputError
from solver.problem import COMMITMENT
from solver.spec import schema
from solver.workloads import KINDS, Batch
from tests.spec.test_schema import GOOD, at, places

SPEC = """
name: mine
horizon: {start: 2027-01-01, months: 2}
prices: {as_of: 2026-10-01, providers: [aws], overrides: ./prices}
workloads:
  - name: chat
    kind: KIND
    model: llama-3.1-8b
    input_tokens: 1000
    output_tokens: 100
    requests: 10000000
    EXTRA
"""
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec with a folder of overrides beside it, read from elsewhere."""
    folder = tmp_path / "project"
    (folder / "prices").mkdir(parents=True)
    (folder / "prices" / "quotas.csv").write_text(
        "provider,region,node,kind,max_nodes\naws,us-east-1,p5.48xlarge,any,7\n", encoding="utf-8"
    )
    (folder / "prices" / "commitments.csv").write_text(
        "provider,region,node,option,nodes,price_per_hour,starts,ends\n"
        "aws,us-east-1,p5.48xlarge,commit_1y,2,30,2026-03-01,2027-02-11\n",
        encoding="utf-8",
    )
    (folder / "spec.yaml").write_text(SPEC.replace("KIND", "batch").replace("EXTRA", ""), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return folder / "spec.yaml"


def test_overrides_are_beside_the_spec(mine: Path) -> None:
    """Quotas and commitments of the folder hold, and the plan's spec finds them again."""
    p = solver.spec.load(mine.relative_to(Path.cwd()))
    assert [(q.name, q.max_nodes) for q in p.limits.quotas] == [("aws/us-east-1/p5.48xlarge", 7)]
    owned = int(np.flatnonzero(p.offers.owned_nodes)[0])
    assert (p.offers.kind[owned], p.offers.owned_nodes[owned]) == (COMMITMENT, 2)
    assert p.offers.paid_hours[owned].tolist() == [744, 240]
    assert p.blocks.total_hours[p.offers.active[owned]].sum() == 984
    assert Path(p.provenance["overrides"]).is_absolute()
    again = solver.spec.loads(p.provenance["spec"], overrides=p.provenance["overrides"])
    assert again.digest() == p.digest()


def test_a_new_kind_needs_no_edit_here(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fields are read, checked and described as they stand in its dataclass."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Evaluation(Batch):
        """A batch with a field of its own."""

        judges: int = 3
        kind: ClassVar[str] = "evaluation"

    monkeypatch.setitem(KINDS, "evaluation", Evaluation)
    schema.model_of.cache_clear()
    try:
        mine.write_text(SPEC.replace("KIND", "evaluation").replace("EXTRA", "judges: 5"), encoding="utf-8")
        made = solver.spec.read_spec(mine).workloads[0]
        assert isinstance(made, Evaluation)
        assert made.judges == 5
        assert solver.spec.load(mine).workloads.kind.tolist() == ["evaluation"]
        assert "judges" in solver.spec.json_schema()["$defs"]["Evaluation"]["properties"]
        mine.write_text(SPEC.replace("KIND", "evaluation").replace("EXTRA", "juges: 5"), encoding="utf-8")
        with pytest.raises(InputError, match="did you mean judges"):
            solver.spec.read_spec(mine)
    finally:
        monkeypatch.undo()
        schema.model_of.cache_clear()


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["serving", "batch", "training", "2027-01-01", "paris", "*", "aws"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def said_of(path: Path) -> str:
    """Why a spec is refused, "" if it is not."""
    try:
        solver.spec.read_spec(path)
    except InputError as error:
        return str(error)
    return ""


@given(place=st.sampled_from([p[:n] for p in places(GOOD) for n in range(1, len(p) + 1)]), value=VALUES, data=st.data())
@SETTINGS
def test_spoilt_specs(place: tuple[Any, ...], value: Any, data: st.DataObject, tmp_path: Path) -> None:
    """Whatever stands anywhere, it is read or refused in words."""
    spec = copy.deepcopy(GOOD)
    parent = at(spec, place[:-1])
    if isinstance(parent, dict) and data.draw(st.booleans()):
        parent[data.draw(st.text(max_size=8))] = value
    else:
        parent[place[-1]] = value
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(spec), encoding="utf-8")
    assert all(line.isprintable() and len(line) < 2000 for line in said_of(path).splitlines())
