"""Packaged example specs by name."""

from __future__ import annotations

import difflib
from importlib import resources
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

FOLDER, SUFFIX = "examples", ".yaml"


def example_names() -> list[str]:
    """Names of all examples, sorted."""
    return sorted(f.name.removesuffix(SUFFIX) for f in _folder().iterdir() if f.name.endswith(SUFFIX))


def example_text(name: str) -> str:
    """The spec as packaged, with its comments."""
    return example(name).read_text(encoding="utf-8")


def example(name: str) -> Traversable:
    """The file of an example.

    Raises:
        InputError: no such example.
    """
    names = example_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        mend = f"nearest: {', '.join(near)}" if near else f"one of {', '.join(names)}"
        raise InputError(f"no packaged example {name!r:.80}", where="EXAMPLE", mend=mend)
    return _folder() / f"{name}{SUFFIX}"


def _folder() -> Traversable:
    return resources.files("solver") / FOLDER
