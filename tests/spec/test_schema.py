"""Specs against their schema: what is refused, and in which words."""

from __future__ import annotations

import copy
import datetime
import json
from pathlib import Path
from typing import Any

import pytest

import solver.spec
from solver.errors import InputError
from solver.spec.model import Spec
from solver.spec.words import MEANING
from solver.workloads import KINDS

GOOD: dict[str, Any] = {
    "name": "all-fields",
    "horizon": {"start": "2027-01-01", "months": 2},
    "prices": {
        "as_of": "2026-10-01",
        "max_age_days": 4000,
        "overrides": "",
        "providers": ["aws", "gcp"],
        "regions": ["aws/us-east-1", "us-east4", "eu-west-1"],
        "options": ["on_demand", "spot"],
    },
    "workloads": [
        {
            "name": "chat",
            "kind": "serving",
            "model": "llama-3.1-8b",
            "precision": "bf16",
            "residency": ["US", "EU"],
            "regions": [],
            "providers": ["aws", "gcp"],
            "accelerators": ["H100", "L4"],
            "max_spot_share": 0.5,
            "max_spot_share_per_region": 0.5,
            "max_spot_share_per_zone": 0.5,
            "unserved_usd_per_unit": 0.01,
            "team": "a",
            "input_tokens": 1000,
            "output_tokens": 100,
            "ttft_ms": 1000,
            "tpot_ms": 50.5,
            "quantile": 0.9,
            "recovery_minutes": 5,
            "transfer_kb_per_request": 4,
            "traffic": [
                {
                    "origin": "new york",
                    "requests_per_hour": 1000,
                    "profile": [0.5] * 24,
                    "growth_per_month": 0.1,
                    "weekend_factor": 0.5,
                }
            ],
        },
        {
            "name": "train",
            "kind": "training",
            "model": "llama-3.1-8b",
            "tokens": 10**9,
            "sequence_length": 4096,
            "global_batch_sequences": 256,
            "earliest_start": "2027-01-05",
            "deadline": "2027-02-01",
            "max_accelerators": 64,
            "checkpoint_minutes": 30,
            "restart_minutes": 10,
            "recompute": True,
            "dataset_gb": 10,
            "dataset_origin": "aws/us-east-1",
        },
        {
            "name": "batch",
            "kind": "batch",
            "model": "llama-3.1-8b",
            "input_tokens": 1000,
            "output_tokens": 100,
            "requests": 10**5,
            "recovery_minutes": 5,
            "dataset_gb": 0,
        },
    ],
    "limits": {
        "quotas": [{"provider": "aws", "region": "us-east-1", "node": "p5.48xlarge", "kind": "any", "max_nodes": 10}],
        "default_max_nodes": 20,
        "monthly_budget_usd": [1000000, None],
        "hourly_budget_usd": 10000,
        "carbon_max_kg": 1000000,
        "carbon_usd_per_kg": 0.1,
    },
    "accounting": "cash",
    "commitment_starts": ["2027-01-01"],
    "scenarios": [
        {"name": "base", "probability": 0.7, "demand_factor": 1.0},
        {"name": "high", "probability": 0.3, "demand_factor": 1.3},
    ],
}
Place = tuple[str | int, ...]


def places(value: Any, place: Place = ()) -> list[Place]:
    """Every place in a spec that holds a plain value."""
    if isinstance(value, dict):
        return [p for key, v in value.items() for p in places(v, (*place, key))]
    if isinstance(value, list):
        return [p for i, v in enumerate(value) for p in places(v, (*place, i))] or [place]
    return [place]


def at(value: Any, place: Place) -> Any:
    """The value at a place."""
    for step in place:
        value = value[step]
    return value


def changed(place: Place, value: Any) -> dict[str, Any]:
    """The good spec with one value changed."""
    spec = copy.deepcopy(GOOD)
    at(spec, place[:-1])[place[-1]] = value
    return spec


def without(place: Place) -> dict[str, Any]:
    """The good spec with one field left out."""
    spec = copy.deepcopy(GOOD)
    del at(spec, place[:-1])[place[-1]]
    return spec


def message(spec: Any, tmp_path: Path) -> str:
    """What refuses a spec."""
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(spec), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        solver.spec.read_spec(path)
    assert caught.value.exit_code == 2
    return str(caught.value).removeprefix(str(tmp_path) + "/")


NUMBERS = [p for p in places(GOOD) if isinstance(at(GOOD, p), (int, float)) and not isinstance(at(GOOD, p), bool)]
BUDGET = ("limits", "monthly_budget_usd")


def test_the_good_spec_is_good(tmp_path: Path) -> None:
    """Every field there is, and it makes a problem that its canonical form makes again."""
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(GOOD), encoding="utf-8")
    spec = solver.spec.read_spec(path)
    assert spec.workloads[0].max_spot_share == 0.5
    assert spec.horizon.start == datetime.date(2027, 1, 1)
    assert spec.limits.monthly_budget_usd == (1000000, None)
    problem = solver.spec.load(path)
    again = solver.spec.loads(problem.provenance["spec"])
    assert again.digest() == problem.digest()
    assert again.provenance == problem.provenance


@pytest.mark.parametrize("place", NUMBERS, ids=str)
@pytest.mark.parametrize("bad", ["12", "1e3", "", "1,234.5", "NaN", True, [], {}], ids=str)
def test_numbers_are_numbers(place: Place, bad: Any, tmp_path: Path) -> None:
    """No text, truth value or list in a number's place, whichever number."""
    found = message(changed(place, bad), tmp_path)
    assert "must be" in found
    assert f".{place[-1]}" in found if isinstance(place[-1], str) else f"[{place[-1]}]" in found


@pytest.mark.parametrize("place", NUMBERS, ids=str)
@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_are_finite(place: Place, bad: str, tmp_path: Path) -> None:
    """JSON lets these through, we do not; in YAML they are texts, and refused as such."""
    text = json.dumps(changed(place, "@")).replace('"@"', bad)
    for suffix in (".json", ".yaml"):
        path = tmp_path / f"spec{suffix}"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=r"finite|not a number|must be"):
            solver.spec.read_spec(path)


@pytest.mark.parametrize("place", NUMBERS, ids=str)
def test_numbers_have_ranges(place: Place, tmp_path: Path) -> None:
    """A number far out on either side is refused, with the field named."""
    low = message(changed(place, -(10**17)), tmp_path)
    high = message(changed(place, 10**17), tmp_path)
    field = next(step for step in reversed(place) if isinstance(step, str))
    for found in (low, high):
        assert field in found
        assert "must be" in found


@pytest.mark.parametrize(
    "place", [p for p in places(GOOD) if isinstance(at(GOOD, p), str) and p[-1] not in ("kind", "profile")], ids=str
)
@pytest.mark.parametrize("bad", [5, True, ["x"], {"a": 1}], ids=str)
def test_texts_are_texts(place: Place, bad: Any, tmp_path: Path) -> None:
    """Nor a number in a text's place."""
    assert "must be" in message(changed(place, bad), tmp_path)


@pytest.mark.parametrize(
    ("place", "needed"),
    [
        (("name",), True),
        (("horizon",), True),
        (("horizon", "start"), True),
        (("workloads",), True),
        (("workloads", 0, "kind"), True),
        (("workloads", 0, "traffic", 0, "origin"), True),
        (("workloads", 1, "tokens"), True),
        (("limits", "quotas", 0, "provider"), True),
        (("limits", "quotas", 0, "max_nodes"), True),
        (("scenarios", 0, "probability"), False),
        (("prices",), False),
        (("limits",), False),
    ],
)
def test_missing_fields_are_named(place: Place, needed: bool, tmp_path: Path) -> None:
    """What must be there, and what need not."""
    if needed:
        assert f"{place[-1]}" in message(without(place), tmp_path)
        assert "is missing" in message(without(place), tmp_path)
        return
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(without(place) | {"scenarios": []}), encoding="utf-8")
    solver.spec.read_spec(path)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (changed(("workloads", 0, "tttf_ms"), 5), ["workloads[0].tttf_ms of 'chat'", "did you mean ttft_ms"]),
        (changed(("workloads", 0, "traffic", 0, "orign"), "x"), ["traffic[0].orign of 'chat'", "did you mean origin"]),
        (changed(("limit",), {}), ["spec.json: limit: there is no such field", "did you mean limits"]),
        (changed(("limits", "quotas", 0, "nodes"), 5), ["limits.quotas[0].nodes", "did you mean node"]),
        (changed(("workloads", 0, "kind"), "servin"), ["workloads[0].kind of 'chat'", "did you mean serving"]),
        (changed(("workloads", 0, "kind"), 5), ["workloads[0].kind of 'chat'", "one of serving, training, batch"]),
        (changed(("workloads", 0), "chat"), ["workloads[0]", "a set of fields"]),
        (changed(("workloads",), {}), ["workloads: must be a list"]),
        (changed(("workloads", 0, "residency"), "EU"), ["must be a list", "write residency: [EU]"]),
        (changed(("workloads", 0, "residency"), ["EU", 5]), ["residency[1]", "must be a text", 'in quotes: "5"']),
        (changed(("workloads", 0, "residency"), ["EU", "EU"]), ["residency names something twice"]),
        (changed(("workloads", 0, "input_tokens"), 1000.0), ["must be a whole number", "write 1000"]),
        (changed(("workloads", 0, "input_tokens"), "1_000"), ["write 1000, without underscores"]),
        (changed(("workloads", 0, "input_tokens"), "010"), ["write 10, without leading zeros"]),
        (changed(("workloads", 1, "tokens"), "2e11"), ["of 'train'", "without an exponent"]),
        (changed(("workloads", 0, "ttft_ms"), "1,234.5"), ["write 1234.5, without commas"]),
        (changed(("workloads", 0, "traffic", 0, "profile"), "weekly"), ["unknown profile 'weekly'"]),
        (changed(("workloads", 0, "traffic", 0, "profile"), 5), ["profile", "a text or a list"]),
        (changed(("workloads", 0, "traffic", 0, "profile"), [1] * 23), ["must have 24 factors, not 23"]),
        (changed(("workloads", 0, "traffic", 0, "profile", 3), "x"), ["profile[3]", "must be a number"]),
        (changed(("workloads", 1, "recompute"), "yes"), ["must be true or false", "write true or false"]),
        (changed(("workloads", 1, "recompute"), 1), ["must be true or false"]),
        (changed(("workloads", 1, "deadline"), "2027-02-30"), ["must be a day", "YYYY-MM-DD"]),
        (changed(("workloads", 1, "deadline"), "soon"), ["must be a day"]),
        (changed(("workloads", 1, "deadline"), 20270201), ["must be a day"]),
        (changed(("workloads", 1, "deadline"), "2027-01-01"), ["is not after earliest_start"]),
        (changed(("workloads", 0, "model"), "llama-3.1-70"), ["unknown model", "llama-3.1-70b"]),
        (changed(("workloads", 0, "precision"), "fp7"), ["unknown precision"]),
        (changed(("accounting",), "accrual"), ["must be one of amortised, cash"]),
        (changed(("limits", "quotas", 0, "kind"), "ondemand"), ["did you mean on_demand"]),
        (changed(BUDGET, "lots"), ["monthly_budget_usd: must be a number or a list"]),
        (changed(BUDGET, [1, "x"]), ["monthly_budget_usd[1]: must be a number"]),
        (changed(("name",), "a\nb"), ["name must be at most 200 printable characters"]),
        (changed(("name",), "x" * 300), ["at most 200"]),
        (changed(("name",), ""), ["name must be a text"]),
        (changed(("horizon",), None), ["horizon: must be a set of fields, not nothing"]),
        ([], ["holds no fields"]),
        (None, ["holds no fields"]),
        (5, ["holds no fields"]),
    ],
)
def test_faults_in_words(spec: Any, words: list[str], tmp_path: Path) -> None:
    """The file, the path, the workload's name, what was found and what to write."""
    found = message(spec, tmp_path)
    assert found.startswith("spec.json")
    for word in words:
        assert word in found
    assert "\x1b" not in found


def test_all_faults_at_once(tmp_path: Path) -> None:
    """Several at a time, ten at most, each in a line of its own."""
    spec = changed(("workloads", 0, "ttft_ms"), "fast")
    spec["horizon"]["months"] = "12"
    spec["limits"]["hourly_budget_usd"] = True
    found = message(spec, tmp_path).splitlines()
    assert found[0] == "spec.json: 3 faults"
    assert len(found) == 4
    many = changed(("horizon", "months"), 12)
    many |= {f"field{i}": 1 for i in range(30)}
    assert message(many, tmp_path).splitlines()[-1].strip() == "and 20 more"
    ranges = changed(("workloads", 0, "quantile"), 5)
    ranges["workloads"][1]["tokens"] = 0
    found = message(ranges, tmp_path).splitlines()
    assert len(found) == 3
    assert "workloads[0] of 'chat': quantile must be" in found[1]
    assert "workloads[1] of 'train': tokens must be" in found[2]


def test_lines_are_named_in_yaml(tmp_path: Path) -> None:
    """Editors jump to them."""
    path = tmp_path / "spec.yaml"
    path.write_text("name: x\nhorizon:\n  start: 2027-01-01\n  months: twelve\nworkloads: []\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"spec.yaml:4: horizon.months: must be a whole number, not 'twelve'"):
        solver.spec.read_spec(path)


def test_three_languages_say_the_same(tmp_path: Path) -> None:
    """YAML, TOML and JSON give one problem."""
    texts = {
        "a.yaml": """
name: x
horizon: {start: 2027-01-01, months: 1}
prices: {as_of: 2026-10-01, providers: [aws]}
workloads:
  - {name: b, kind: batch, model: llama-3.1-8b, input_tokens: 10, output_tokens: 10, requests: 1000000}
""",
        "a.toml": """
name = "x"
horizon = {start = 2027-01-01, months = 1}
prices = {as_of = 2026-10-01, providers = ["aws"]}
[[workloads]]
name = "b"
kind = "batch"
model = "llama-3.1-8b"
input_tokens = 10
output_tokens = 10
requests = 1_000_000
""",
        "a.json": """{"name": "x", "horizon": {"start": "2027-01-01", "months": 1},
"prices": {"as_of": "2026-10-01", "providers": ["aws"]}, "workloads": [{"name": "b", "kind": "batch",
"model": "llama-3.1-8b", "input_tokens": 10, "output_tokens": 10, "requests": 1000000}]}""",
    }
    digests = set()
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        problem = solver.spec.load(tmp_path / name)
        digests.add((problem.digest(), problem.provenance["spec"]))
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("prices", "providers"), ["awz"], ["prices", "did you mean aws"]),
        (("prices", "regions"), ["us-eats-1"], ["prices", "us-east-1"]),
        (("prices", "options"), ["ondemand"], ["options", "did you mean on_demand"]),
        (("prices", "options"), ["capacity_block"], ["cannot be planned yet"]),
        (("prices", "max_age_days"), 0, ["prices"]),
        (("prices", "overrides"), "no-such-folder", ["prices"]),
        (("prices", "as_of"), "1999-01-01", ["prices"]),
        (("workloads", 0, "traffic", 0, "origin"), "pariss", ["workload 'chat'", "pariss", "paris"]),
        (("workloads", 0, "residency"), ["EUU"], ["workload 'chat'", "did you mean EU"]),
        (("workloads", 1, "dataset_origin"), "aws/us-eats-1", ["workload 'train'"]),
        (("limits", "quotas", 0, "region"), "us-eats-1", ["quota", "did you mean us-east-1"]),
        (("scenarios", 0, "probability"), 0.6, ["add up to 0.9"]),
        (("workloads", 1, "name"), "chat", ["two workloads are named 'chat'"]),
        (("commitment_starts"), ["2029-01-01"], ["not in the horizon"]),
    ],
)
def test_names_are_looked_up(place: Any, value: Any, words: list[str], tmp_path: Path) -> None:
    """What no table knows is named with the nearest, and the file."""
    path = tmp_path / "spec.json"
    place = place if isinstance(place, tuple) else (place,)
    path.write_text(json.dumps(changed(place, value)), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        solver.spec.load(path)
    for word in ["spec.json", *words]:
        assert word in str(caught.value)


def test_json_schema_agrees() -> None:
    """Editors accept the good spec, and refuse what we refuse."""
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(solver.spec.json_schema())
    jsonschema.Draft202012Validator.check_schema(solver.spec.json_schema())
    assert not list(check.iter_errors(GOOD))
    for spec in (changed(("limit",), {}), without(("name",)), changed(("workloads", 0, "kind"), "servin")):
        assert list(check.iter_errors(spec))
    for place in NUMBERS:
        for bad in ("12", True):
            assert list(check.iter_errors(changed(place, bad)))


def test_every_field_has_its_words() -> None:
    """Each field of each kind is described, and no description is left over."""
    schema = solver.spec.json_schema()
    models = {"Spec": schema, **schema["$defs"]}
    for name, model in models.items():
        for field, about in model["properties"].items():
            assert about.get("description"), f"{name}.{field}"
    kinds = {kind.__name__ for kind in KINDS.values()}
    fields = {(name, field) for name, model in models.items() for field in model["properties"]}
    assert all(
        (owner, field) in fields if owner else any((kind, field) in fields for kind in kinds)
        for owner, field in MEANING
    )
    assert Spec.__name__ in {owner for owner, _ in MEANING}
