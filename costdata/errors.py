"""The one typed error of the tables: what is wrong, where, and the mend."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class DataError(Exception):
    """A table, override or argument that cannot be used as it is.

    Args:
        message: what is wrong, in the user's words.
        where: file, row and column, or the argument, the fault was found in.
        mend: what to do about it.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, where: str = "", mend: str = "") -> None:
        """Keep the three parts apart, and join them for printing."""
        self.message, self.where, self.mend = message, where, mend
        text = f"{where}: {message}" if where else message
        super().__init__(f"{text} ({mend})" if mend else text)


def shown(value: object) -> str:
    """A value from outside, safe and short enough for a message."""
    text = str(value)
    return ascii(text if len(text) <= 60 else text[:57] + "...")  # noqa: PLR2004


def nearest(name: str, known: Iterable[str]) -> str:
    """A mend that names the most similar known names, or some of them."""
    names = sorted(set(known))
    folded = {n.casefold(): n for n in names}
    close = difflib.get_close_matches(name.casefold()[:100], folded, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(folded[c] for c in close) + "?"
    few = ", ".join(names[:8])
    return f"known: {few}" + (", ..." if len(names) > 8 else "") if names else "nothing is known"  # noqa: PLR2004
