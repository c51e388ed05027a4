"""Typed errors. Each names the place of the fault and the mend; doors turn them into exit codes."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar, Self


def significant(value: float, digits: int = 3) -> str:
    """A number in words of ours: so many digits that count, thousands apart, never with an exponent."""
    return f"{Decimal(f'{value:.{digits}g}'):,f}"


class PlannerError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        message: what is wrong, in the user's words.
        where: file, row, field or workload the fault was found in.
        mend: what to do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, where: str = "", mend: str = "") -> None:
        """Keep the three parts apart, and join them for printing."""
        self.message, self.where, self.mend = message, where, mend
        text = f"{where}: {message}" if where else message
        super().__init__(f"{text} ({mend})" if mend else text)


class InputError(PlannerError):
    """A spec, table, override or argument that cannot be used as it is."""

    exit_code = 2


class InfeasibleError(PlannerError):
    """The requirements contradict one another."""

    exit_code = 4


class EngineError(PlannerError):
    """A solver back-end refused its input, crashed or gave no answer."""


class OutOfTimeError(EngineError):
    """No plan within the time limit. `lower_usd` is what any plan costs at least, where that is known by then."""

    lower_usd: float | None = None

    @classmethod
    def of(cls, lower_usd: float | None = None) -> Self:
        """With what is known of the cost."""
        known = "" if lower_usd is None else f"; any plan costs at least ${lower_usd:,.2f}"
        made = cls(f"no plan within the time limit{known}", where="engine", mend="give --time-limit more seconds")
        made.lower_usd = lower_usd
        return made


class CheckError(PlannerError):
    """A plan failed the independent check, so it is not shown as one."""
