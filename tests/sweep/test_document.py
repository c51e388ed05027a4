"""The file of a sweep: which scenarios it makes, in which order, and what is refused before anything runs."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from solver.errors import InputError
from solver.sweep.document import MAX_SCENARIOS, canonical, read_document
from tests.sweep.small import DEMAND, SPEC, write

TTFT, TPOT = "workloads.chat.ttft_ms", "workloads.chat.tpot_ms"


def settings(folder: Path, sweep: dict[str, Any]) -> list[dict[str, Any]]:
    """What is set in each scenario."""
    return [dict(s.settings) for s in read_document(write(folder, sweep))]


def test_a_grid_takes_every_combination(tmp_path: Path) -> None:
    """The last field changes fastest; scenario 0 is the spec as written."""
    made = settings(tmp_path, {"grid": {TTFT: [1000, 2000], TPOT: [50, 60, 70]}})
    pairs = [(1000, 50), (1000, 60), (1000, 70), (2000, 50), (2000, 60), (2000, 70)]
    assert made == [{}, *({TTFT: a, TPOT: b} for a, b in pairs)]


def test_a_zip_walks_in_step(tmp_path: Path) -> None:
    """As many scenarios as values."""
    made = settings(tmp_path, {"base": False, "zip": {TTFT: [1000, 2000], TPOT: [50, 60]}})
    assert made == [{TTFT: 1000, TPOT: 50}, {TTFT: 2000, TPOT: 60}]


def test_a_list_names_them_one_by_one(tmp_path: Path) -> None:
    """Each with its own fields."""
    assert settings(tmp_path, {"list": [{TTFT: 1000}, {TPOT: 60}]}) == [{}, {TTFT: 1000}, {TPOT: 60}]


def test_all_three_multiply(tmp_path: Path) -> None:
    """2 × 2 × 2, and the spec as written; list, zip and grid in this order, whatever that of the file."""
    sweep = {"grid": {TPOT: [50, 60]}, "zip": {TTFT: [1000, 2000]}, "list": [{DEMAND: 1}, {DEMAND: 2}]}
    made = settings(tmp_path, sweep)
    assert len(made) == 9
    assert made[1] == {DEMAND: 1, TTFT: 1000, TPOT: 50}
    assert made[2] == {DEMAND: 1, TTFT: 1000, TPOT: 60}
    assert made[8] == {DEMAND: 2, TTFT: 2000, TPOT: 60}


def test_numbers_length_and_values(tmp_path: Path) -> None:
    """Numbers count from 0; a field that is not set in a scenario is what the spec has, or nothing."""
    made = read_document(write(tmp_path, {"list": [{TTFT: 1000}, {"limits.carbon_max_kg": 5.5}]}))
    assert [s.number for s in made] == [0, 1, 2]
    assert len(made) == 3
    values = [made.values(s.settings) for s in made]
    assert values == [
        {TTFT: 2000, "limits.carbon_max_kg": None},
        {TTFT: 1000, "limits.carbon_max_kg": None},
        {TTFT: 2000, "limits.carbon_max_kg": 5.5},
    ]


def test_the_spec_of_a_scenario(tmp_path: Path) -> None:
    """Is that as written with the fields set, and a day is a day."""
    (tmp_path / "tiny.yaml").write_text(SPEC, encoding="utf-8")
    file = tmp_path / "s.yaml"
    file.write_text("spec: tiny.yaml\ngrid: {horizon.start: [2027-02-01], horizon.months: [3]}\n", encoding="utf-8")
    base, other = read_document(file)
    made = read_document(file)
    assert base.settings == ()
    assert made.plain(other.settings)["horizon"] == {"start": datetime.date(2027, 2, 1), "months": 3}
    assert json.loads(canonical(made.plain(other.settings)))["horizon"]["start"] == "2027-02-01"
    rest = {k: v for k, v in made.plain(other.settings).items() if k != "horizon"}
    assert rest == {k: v for k, v in made.data.items() if k != "horizon"}


def test_an_example_is_a_spec(tmp_path: Path) -> None:
    """By its name; overrides are then relative to the sweep."""
    file = tmp_path / "s.json"
    file.write_text(json.dumps({"spec": "@one-model", "grid": {"prices.overrides": ["mine"]}}), encoding="utf-8")
    made = read_document(file)
    (_, one) = made
    assert made.data["name"] == "one-model"
    assert made.overrides(made.plain(one.settings)) == str(tmp_path / "mine")
    assert made.overrides(made.data) == ""


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ({"grid": {"workloads.chat.max_spot_shar": [0.5]}}, "workloads.chat.max_spot_shar: there is no field"),
        ({"grid": {"workloads.chat.max_spot_shar": [0.5]}}, "did you mean max_spot_share"),
        ({"grid": {TTFT: ["fast"]}}, f"grid.{TTFT}.0: must be a number, not 'fast'"),
        ({"grid": {TTFT: [1000, -5]}}, f"grid.{TTFT}.1: "),
        ({"grid": {"workloads.chat.max_spot_share": [1.5]}}, "max_spot_share must be"),
        ({"grid": {"horizon.start": ["2027-02-30"]}}, "must be a day"),
        ({"list": [{TTFT: 1000}, {TTFT: True}]}, "list.1: must be a number"),
        ({"zip": {TTFT: [1, 2], TPOT: [1]}}, "ttft_ms has 2, workloads.chat.tpot_ms has 1"),
        ({"grid": {TTFT: [1000]}, "zip": {TTFT: [1000]}}, "is set twice"),
        ({"grid": {TTFT: [1000], "workloads[0].ttft_ms": [1]}}, "set the same field"),
        ({"grid": {"limits": [{}], "limits.carbon_max_kg": [1]}}, "set the same field"),
        ({"grid": {TTFT: []}}, "must be a list of values"),
        ({"grid": {TTFT: 1000}}, "must be a list of values"),
        ({"grid": []}, "must be a set of fields"),
        ({"list": {}}, "must be a list of"),
        ({"list": [3]}, "must be a set of fields"),
        ({"gird": {TTFT: [1000]}}, "did you mean grid?"),
        ({"base": "no", "grid": {TTFT: [1000]}}, "must be true or false"),
        ({"base": False}, "makes no scenario"),
        ({"spec": 3}, "names no spec"),
        ({"spec": "nowhere.yaml"}, "no such file"),
        ({"spec": "@nothing"}, "no example 'nothing'"),
        ({"spec": "@../one-model"}, "no example"),
        ({"grid": {TTFT: list(range(1, 400)), TPOT: list(range(1, 400))}}, f"at most {MAX_SCENARIOS:,}"),
    ],
)
def test_what_is_refused(tmp_path: Path, sweep: dict[str, Any], said: str) -> None:
    """With the file and the place."""
    with pytest.raises(InputError) as caught:
        read_document(write(tmp_path, sweep))
    assert said in str(caught.value)
    assert str(tmp_path) in caught.value.where


def test_lines_are_named(tmp_path: Path) -> None:
    """Of YAML."""
    (tmp_path / "tiny.yaml").write_text(SPEC, encoding="utf-8")
    file = tmp_path / "s.yaml"
    file.write_text("spec: tiny.yaml\ngrid:\n  horizon.months: [1]\n  horizon.mnths: [2]\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_document(file)
    assert caught.value.where == f"{file}:4: grid: horizon.mnths"


def test_a_bad_spec_is_refused_by_its_own_name(tmp_path: Path) -> None:
    """Before any value is looked at."""
    with pytest.raises(InputError, match=r"tiny\.yaml.*months"):
        read_document(write(tmp_path, {"grid": {TTFT: [1000]}}, SPEC.replace("months: 1", "months: x")))


@pytest.mark.parametrize(
    "text", ["", "[]", "spec: [", "spec: &a [*a]", "a: {{{{{{{{", "spec: !!python/object:os.system x"]
)
def test_hostile_files(tmp_path: Path, text: str) -> None:
    """Are refused with a typed error."""
    file = tmp_path / "s.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        read_document(file)
