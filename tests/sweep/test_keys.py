"""What a result belongs to: any change of code, prices, spec, files or search makes another key."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from solver.errors import InputError
from solver.sweep import keys
from solver.sweep.document import read_document
from solver.sweep.keys import Job, Jobs, Search
from solver.sweep.worker import work
from tests.sweep.small import DEMAND, ROOT, SPEC, environment, of_demand, write

DISCOUNT = "provider,region,node,option,percent,fee_per_hour\nlambda,*,*,on_demand,{},\n"
DIGEST = "from solver.sweep.keys import code; print(code())"


def jobs(file: Path, **search: Any) -> list[Job]:
    """The jobs of a sweep."""
    sweep = read_document(file)
    make = Jobs(sweep, Search(**search))
    return [make(s.settings) for s in sweep]


def test_the_same_gives_the_same(tmp_path: Path) -> None:
    """Twice, and however it is written: what is set to what it is changes nothing."""
    file = write(tmp_path, {"grid": {DEMAND: [20000, 10000]}})
    base, same, other = (job.key for job in jobs(file))
    assert [job.key for job in jobs(file)] == [base, same, other]
    assert base == same != other


def test_every_option_of_the_search_counts(tmp_path: Path) -> None:
    """Five searches, five keys."""
    file = of_demand(tmp_path, 5)
    searches: list[dict[str, Any]] = [{}, {"gap": 0.5}, {"seed": 1}, {"time_limit_s": 7.0}, {"deterministic": True}]
    assert len({jobs(file, **search)[0].key for search in searches}) == 5


def test_prices_count_and_are_read_anew(tmp_path: Path) -> None:
    """Another day, another discount; the same process sees that the folder has changed."""
    overrides = tmp_path / "mine"
    overrides.mkdir()
    discounts = overrides / "discounts.csv"
    discounts.write_text(DISCOUNT.format(5), encoding="utf-8")
    file = write(tmp_path, {"grid": {"prices.as_of": ["2026-10-01", "2026-11-01"], "prices.overrides": ["mine"]}})
    before = [job.key for job in jobs(file)]
    assert len(set(before)) == 3
    discounts.write_text(DISCOUNT.format(10), encoding="utf-8")
    after = [job.key for job in jobs(file)]
    assert after[0] == before[0]  # as written it has no overrides
    assert not {*after[1:]} & {*before[1:]}


def test_files_that_a_spec_names_count(tmp_path: Path) -> None:
    """Their content, not their names alone."""
    measured = tmp_path / "own.csv"
    measured.write_text("one", encoding="utf-8")
    spec = SPEC.replace("    ttft_ms", f"    measurements: {measured}\n    ttft_ms")
    file = write(tmp_path, {"base": False, "grid": {DEMAND: [5]}}, spec)
    (one,) = jobs(file)
    measured.write_text("two", encoding="utf-8")
    (two,) = jobs(file)
    measured.unlink()
    (none,) = jobs(file)
    assert len({one.key, two.key, none.key}) == 3
    assert none.inputs == ""


def test_of_a_folder_the_config_counts(tmp_path: Path) -> None:
    """As a model is named by its folder."""
    plain = {"workloads": [{"model": str(tmp_path)}]}
    assert keys.inputs(plain) == ""
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    assert keys.inputs(plain)


def test_code_counts(tmp_path: Path) -> None:
    """Every file of both packages: a copy has the same digest, a copy with one letter more another."""
    for package in ("solver", "costdata"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))

    def digest() -> str:
        variables = {**environment(), "PYTHONPATH": str(tmp_path)}
        done = run(
            [sys.executable, "-c", DIGEST], cwd=tmp_path, env=variables, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    first = digest()
    assert digest() == first
    rule = tmp_path / "solver" / "rules" / "quota.py"
    rule.write_text(rule.read_text(encoding="utf-8") + "#", encoding="utf-8")
    second = digest()
    table = tmp_path / "costdata" / "round_trip.csv"
    table.write_text(table.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert len({first, second, digest()}) == 3


def test_a_worker_with_other_code_or_data_says_so(tmp_path: Path) -> None:
    """And plans nothing."""
    (job,) = jobs(of_demand(tmp_path, 20000))
    assert json.loads(work(job).content)["cost_usd"] == "23748.480000"
    for other in (replace(job, code="x"), replace(job, prices="x"), replace(job, inputs="x")):
        answer = work(other)
        assert answer.foreign
        assert answer.content == answer.error == ""


@pytest.mark.parametrize("search", [{"gap": 1.0}, {"gap": float("nan")}, {"time_limit_s": 0.0}, {"seed": -1}])
def test_ranges_of_the_search(search: dict[str, Any]) -> None:
    """NaN is in none."""
    with pytest.raises(InputError):
        Search(**search)


def test_overrides_that_do_not_exist_are_refused_at_once(tmp_path: Path) -> None:
    """Before any scenario runs."""
    file = write(tmp_path, {"base": False, "grid": {"prices.overrides": ["nowhere"]}}, SPEC)
    with pytest.raises(InputError, match="nowhere"):
        jobs(file)
