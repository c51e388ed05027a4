"""Small problems on the way that large ones take: relaxation, search and proof instead of the whole model."""

from __future__ import annotations

import pytest

from .draws import drawn, kind_of
from .loose import loose, stretch_of
from .opinions import wrong


@pytest.mark.parametrize("seed", range(130))
def test_sound_plan_true_bound_and_true_verdict(seed: int) -> None:
    """It need not find the optimum, but must claim nothing that is not so."""
    assert not wrong([seed], drawn, kind_of, exact=False, large=True)


@pytest.mark.parametrize("seed", range(60))
def test_no_bad_plan_is_accepted(seed: int) -> None:
    """The same with numbers out of all proportion."""
    assert not wrong([seed], loose, stretch_of, exact=False, large=True)
