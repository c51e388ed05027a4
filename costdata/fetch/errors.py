"""What goes wrong on the way to fresh prices."""

from __future__ import annotations

from typing import ClassVar

from ..errors import DataError


class FetchError(DataError):
    """A source that cannot be reached, or says what cannot be used: the tables stay as they are."""

    exit_code: ClassVar[int] = 1


class RefusedError(FetchError):
    """An address, a redirect or a link that leads where nothing may be asked."""
