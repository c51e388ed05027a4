"""The notebook on spot: nobody late, ours between on demand and who knew, advice with its reason."""

from __future__ import annotations

import pytest

from .played import play

FACTS = {
    "late": "costs['late'].tolist()",
    "cost": "costs['cost_percent'].to_dict()",
    "bound": "float(costs['foresight_percent'].iloc[0])",
    "options": "[[o.on, o.expected_usd] for o in advice.options]",
    "advice": "[advice.action, advice.on]",
}


def test_a_job_that_must_not_be_late() -> None:
    """Costs in order; the advice is the cheapest option."""
    played = play("spot", FACTS)
    facts = played.facts
    assert set(facts["late"]) == {0}
    assert facts["bound"] <= facts["cost"]["markov"] <= 100
    assert facts["cost"]["on-demand"] == pytest.approx(100)
    assert facts["advice"][1] == min(facts["options"], key=lambda option: option[1])[0]
    assert "lasts an hour more" in played.shown("advice = advise(now)")
