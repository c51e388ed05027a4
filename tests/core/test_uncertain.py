"""Problems with everything that may go otherwise: the engine, a second engine and enumeration agree."""

from __future__ import annotations

import pytest

from .opinions import wrong
from .uncertain import base_of, uncertain

COUNT = 300
EACH = 10


@pytest.mark.parametrize("first", range(0, COUNT, EACH))
def test_same_verdict_and_the_same_cost_to_the_micro_dollar(first: int) -> None:
    """Ten problems a case, so that a failure names its seeds."""
    assert not wrong(range(first, first + EACH), uncertain, base_of)


@pytest.mark.parametrize("first", range(0, COUNT, EACH))
def test_sound_on_the_way_of_large_problems(first: int) -> None:
    """It need not find the optimum there, but must claim nothing that is not so."""
    assert not wrong(range(first, first + EACH), uncertain, base_of, exact=False, large=True)
