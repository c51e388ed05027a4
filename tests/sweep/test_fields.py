"""Paths of fields: where they lead, and what is said of those that lead nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from solver.errors import InputError
from solver.sweep.fields import place_of, with_field

DATA: dict[str, Any] = {
    "name": "x",
    "workloads": [
        {
            "name": "chat",
            "kind": "serving",
            "traffic": [{"origin": "paris"}, {"origin": "new york", "profile": [1, 0.5]}],
        },
        {"name": "llama-3.1", "kind": "training"},
    ],
    "limits": {"quotas": [{"provider": "aws"}]},
    "scenarios": [{"name": "boom"}, {"name": "boom"}],
}


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("name", ("name",)),
        ("horizon.start", ("horizon", "start")),  # not in the data
        ("limits.monthly_budget_usd", ("limits", "monthly_budget_usd")),
        ("workloads.chat.max_spot_share", ("workloads", 0, "max_spot_share")),
        ("workloads[1].tokens", ("workloads", 1, "tokens")),
        ('workloads["llama-3.1"].tokens', ("workloads", 1, "tokens")),
        ("workloads.chat.traffic.new york.growth_per_month", ("workloads", 0, "traffic", 1, "growth_per_month")),
        ("workloads.chat.traffic[1].profile[1]", ("workloads", 0, "traffic", 1, "profile", 1)),
        ("limits.quotas[0].max_nodes", ("limits", "quotas", 0, "max_nodes")),
        ("limits.quotas", ("limits", "quotas")),
        ("prices.options", ("prices", "options")),
    ],
)
def test_where_a_path_leads(path: str, place: tuple[str | int, ...]) -> None:
    """By name, by place, into parts that the spec leaves out."""
    assert place_of(path, DATA, "s.yaml:3") == place


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("horizn.start", "did you mean horizon?"),
        ("workloads.chat.max_spot_shar", "did you mean max_spot_share"),
        ("workloads.chat.tokens", "there is no field 'tokens'"),  # of training, not of serving
        ("workloads.chot.ttft_ms", "did you mean chat?"),
        ("workloads[2].ttft_ms", "the list has 2 items"),
        ("limits.quotas.aws.max_nodes", "give a place: [0] to [0]"),
        ("limits.quotas[1].max_nodes", "the list has 1 items"),
        ("scenarios.boom.probability", "stands for several items"),
        ("commitment_starts.x", "the list is empty"),
        ("name.x", "there are no fields in a plain value"),
        ("", "is not the path of a field"),
        (".name", "is not the path of a field"),
        ("name.", "is not the path of a field"),
        ("workloads[0]kind", "is not the path of a field"),
        ("workloads[-1].name", "is not the path of a field"),
        ("workloads[0", "is not the path of a field"),
        ("a" * 501, "is not the path of a field"),
        ("__class__.x", "there is no field '__class__'"),
    ],
)
def test_a_path_that_leads_nowhere(path: str, said: str) -> None:
    """Is refused by file, line and path, with the nearest that there is."""
    with pytest.raises(InputError) as caught:
        place_of(path, DATA, "s.yaml:3")
    assert said in f"{caught.value.message} {caught.value.mend}"
    assert caught.value.where == f"s.yaml:3: {path:.80}"


def test_setting_a_field_copies_the_way_only() -> None:
    """The spec as written stays as it is; what lies beside the way is the same object."""
    made = with_field(DATA, ("workloads", 0, "traffic", 1, "profile", 1), 0.25)
    assert made["workloads"][0]["traffic"][1]["profile"] == [1, 0.25]
    assert DATA["workloads"][0]["traffic"][1]["profile"] == [1, 0.5]
    assert made["workloads"][1] is DATA["workloads"][1]
    assert made["limits"] is DATA["limits"]
    assert with_field({}, ("horizon", "months"), 3) == {"horizon": {"months": 3}}
    assert with_field({"limits": None}, ("limits", "carbon_max_kg"), 3) == {"limits": {"carbon_max_kg": 3}}
