"""How much dearer the new plan may be before a pipeline stops: dollars, or a share of what the old one costs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Self

from ..errors import InputError
from ..money import MICRO

_AMOUNT = re.compile(r"\$?(\d{1,12}(?:\.\d{1,6})?)\s*(%?)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """At most so much more: micro-dollars, or a share of the old cost."""

    text: str
    micro_usd: Fraction = Fraction(0)
    share: Fraction = Fraction(0)

    @classmethod
    def read(cls, text: str) -> Self:
        """From "5%" or from dollars, "1200" or "$1200.50".

        Raises:
            InputError: neither of the two.
        """
        found = _AMOUNT.fullmatch(text.strip())
        if not found or (found[2] and text.strip().startswith("$")):
            mend = "dollars such as 500, or a share of the old cost such as 5%"
            raise InputError(f"{text!r:.60} is no limit of an increase", where="--max-increase", mend=mend)
        value = Fraction(Decimal(found[1]))
        whole = text.strip()
        return cls(text=whole, share=value / 100) if found[2] else cls(text=whole, micro_usd=value * MICRO)

    def passed(self, before_micro_usd: int, after_micro_usd: int) -> bool:
        """Whether the increase is within it, exactly."""
        return after_micro_usd - before_micro_usd <= self.micro_usd + self.share * before_micro_usd
