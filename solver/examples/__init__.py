"""Starter specs: files of this folder, each one a lesson."""

from __future__ import annotations

from importlib import resources

from ..errors import InputError

SUFFIX = ".yaml"


def example_names() -> tuple[str, ...]:
    """Names of the packaged examples, sorted."""
    files = resources.files(__package__).iterdir()
    return tuple(sorted(f.name.removesuffix(SUFFIX) for f in files if f.name.endswith(SUFFIX)))


def example_text(name: str) -> str:
    """The spec of an example.

    Raises:
        InputError: there is none of that name.
    """
    if name not in example_names():
        mend = f"one of {', '.join(example_names())}"
        raise InputError(f"no example {name!r:.80}", where="init", mend=mend)
    return resources.files(__package__).joinpath(name + SUFFIX).read_text(encoding="utf-8")
