"""Every field of every workload refuses what it cannot mean, naming workload and field."""

from __future__ import annotations

import datetime
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.errors import InputError
from solver.workloads import KINDS, PROFILES, Batch, Serving, Traffic, Training, Workload

PARIS = (Traffic(origin="paris", requests_per_hour=1000),)
COMMON = {"name": "w", "model": "llama-3.1-8b"}
GOOD: dict[type[Workload], dict[str, Any]] = {
    Serving: COMMON | {"input_tokens": 1000, "output_tokens": 200, "ttft_ms": 500, "tpot_ms": 50, "traffic": PARIS},
    Batch: COMMON | {"input_tokens": 1000, "output_tokens": 200, "requests": 10**6},
    Training: COMMON | {"tokens": 10**12},
}
NUMBERS = {
    Serving: ("ttft_ms", "tpot_ms", "quantile", "recovery_minutes", "transfer_kb_per_request", "max_spot_share"),
    Batch: ("recovery_minutes", "dataset_gb", "max_spot_share", "max_spot_share_per_zone"),
    Training: ("checkpoint_minutes", "restart_minutes", "dataset_gb", "max_spot_share_per_region"),
}
WHOLE = {
    Serving: ("input_tokens", "output_tokens"),
    Batch: ("input_tokens", "output_tokens", "requests"),
    Training: ("tokens", "sequence_length", "global_batch_sequences", "max_accelerators"),
}


def make(kind: type[Workload], **changes: object) -> Any:
    """A workload with some fields changed."""
    return kind(**(GOOD[kind] | changes))


def test_kinds_say_what_they_are() -> None:
    """Names and units the rest of the package relies on."""
    assert {name: kind.unit for name, kind in KINDS.items()} == {
        "serving": "requests",
        "training": "tokens",
        "batch": "requests",
    }
    assert all(KINDS[kind.kind] is kind for kind in GOOD)


@pytest.mark.parametrize(("kind", "field"), [(k, f) for k, fields in NUMBERS.items() for f in fields])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, -1e-9, True, "5", [5], 1e300])
def test_bad_numbers_are_refused(kind: type[Workload], field: str, value: object) -> None:
    """Not finite, negative, a bool, a text, a list or absurd."""
    with pytest.raises(InputError, match=f"workload 'w'.*{field} must be"):
        make(kind, **{field: value})


@pytest.mark.parametrize(("kind", "field"), [(k, f) for k, fields in WHOLE.items() for f in fields])
@pytest.mark.parametrize("value", [0, -1, 1.5, 1000.0, math.nan, True, "5", None, 10**30])
def test_bad_counts_are_refused(kind: type[Workload], field: str, value: object) -> None:
    """Not a positive whole number; 1000.0 is not rounded in silence."""
    with pytest.raises(InputError, match=f"workload 'w'.*{field} must be"):
        make(kind, **{field: value})


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "  "),
        ("name", 7),
        ("name", "a\nb"),
        ("name", "x" * 201),
        ("model", ""),
        ("model", "no-such-model"),
        ("precision", "fp7"),
        ("providers", "aws"),
        ("regions", ("a", "a")),
        ("residency", (1,)),
        ("accelerators", None),
        ("team", None),
        ("unserved_usd_per_unit", -1),
        ("unserved_usd_per_unit", math.nan),
        ("unserved_usd_per_unit", Decimal("NaN")),
        ("unserved_usd_per_unit", "0.1"),
    ],
)
def test_bad_common_fields_are_refused(kind: type[Workload], field: str, value: object) -> None:
    """Texts, lists of names and prices."""
    with pytest.raises(InputError, match=field):
        make(kind, **{field: value})


def test_a_model_may_be_a_file(tmp_path: Path) -> None:
    """A config.json of one's own, and a fault in it names the workload and the file."""
    file = tmp_path / "config.json"
    fields = {"hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "intermediate_size": 1024}
    file.write_text(json.dumps(fields | {"model_type": "llama", "vocab_size": 1000, "max_position_embeddings": 8192}))
    assert make(Serving, model=str(file)).architecture.parameters == 4 * (4 * 512**2 + 3 * 512 * 1024) + 1_028_608
    file.write_text("{}")
    with pytest.raises(InputError, match=r"workload 'w'.*config\.json.*'model_type' is missing"):
        make(Serving, model=str(file))


def test_lists_become_tuples_and_decimals_are_prices() -> None:
    """What a spec reader hands over."""
    w = make(Serving, providers=["aws", "gcp"], unserved_usd_per_unit=Decimal("0.001"))
    assert w.providers == ("aws", "gcp")
    assert w.unserved_usd_per_unit == Decimal("0.001")


@pytest.mark.parametrize("kind", [Batch, Training])
def test_windows_are_days_in_order(kind: type[Workload]) -> None:
    """A deadline before the start, a time of day, a text."""
    first, last = datetime.date(2027, 1, 1), datetime.date(2027, 2, 1)
    assert make(kind, earliest_start=first, deadline=last)
    with pytest.raises(InputError, match="deadline 2027-01-01 is not after"):
        make(kind, earliest_start=last, deadline=first)
    with pytest.raises(InputError, match="earliest_start must be a date"):
        make(kind, earliest_start="2027-01-01")
    with pytest.raises(InputError, match="deadline must be a date"):
        make(kind, deadline=datetime.datetime(2027, 1, 1, 12))  # noqa: DTZ001 (a time without a zone is the case)
    with pytest.raises(InputError, match="dataset_origin"):
        make(kind, dataset_gb=5)


def test_a_context_beyond_the_model_is_refused() -> None:
    """Llama-3.1 takes 131,072 tokens."""
    with pytest.raises(InputError, match=r"gives 131,200 tokens, llama-3.1-8b takes 131,072"):
        make(Serving, input_tokens=131_000, output_tokens=200)
    with pytest.raises(InputError, match="sequence_length"):
        make(Training, sequence_length=131_073)


def test_a_gang_is_trained_in_bf16_or_fp8_on_one_market() -> None:
    """4-bit weights are for serving; half a gang on spot makes no gang."""
    with pytest.raises(InputError, match="precision 'fp4' is for serving"):
        make(Training, precision="fp4")
    with pytest.raises(InputError, match="max_spot_share of a gang is 0 or 1"):
        make(Training, max_spot_share=0.5)
    with pytest.raises(InputError, match="recompute must be true or false"):
        make(Training, recompute=1)


@pytest.mark.parametrize("traffic", [(), ("paris",), None])
def test_serving_needs_traffic(traffic: object) -> None:
    """At least one origin."""
    with pytest.raises(InputError, match="traffic must name at least one origin"):
        make(Serving, traffic=traffic)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("origin", ""),
        ("requests_per_hour", 0),
        ("requests_per_hour", math.nan),
        ("requests_per_hour", True),
        ("profile", "weekly"),
        ("profile", (1.0,) * 23),
        ("profile", (1.0,) * 23 + (0,)),
        ("profile", (1.0,) * 23 + (1.5,)),
        ("profile", 1.0),
        ("growth_per_month", math.inf),
        ("weekend_factor", -1),
    ],
)
def test_bad_traffic_is_refused(field: str, value: Any) -> None:
    """Each field of Traffic."""
    with pytest.raises(InputError, match=field):
        Traffic(**{"origin": "paris", "requests_per_hour": 10, field: value})


def test_profiles_have_24_factors_and_a_peak() -> None:
    """`requests_per_hour` is the peak, so some hour has factor 1 and none more."""
    for name, factors in PROFILES.items():
        assert len(factors) == 24, name
        assert max(factors) == 1.0, name
        assert min(factors) > 0.0, name
        assert Traffic(origin="x", requests_per_hour=1, profile=name).factors == factors
    own = tuple((h + 1) / 24 for h in range(24))
    assert Traffic(origin="x", requests_per_hour=1, profile=own).factors == own


@given(st.text(max_size=300))
def test_any_name_is_taken_or_refused_with_a_typed_error(name: str) -> None:
    """Never another exception."""
    if name.strip() and name.isprintable() and len(name) <= 200:
        assert make(Batch, name=name).name == name
    else:
        with pytest.raises(InputError, match="name"):
            make(Batch, name=name)


def test_bytes_of_a_request() -> None:
    """4 bytes a token unless said otherwise."""
    assert make(Serving).bytes_per_request == 4 * 1200
    assert make(Serving, transfer_kb_per_request=10).bytes_per_request == 10_000
