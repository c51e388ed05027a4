"""Pydantic models derived from the dataclasses of the spec: strict, closed, finite; and dataclasses back from them."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import operator
import types
import typing
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, create_model

from ..errors import InputError
from ..workloads import KINDS, Workload
from .model import Spec
from .reader import DAY
from .words import MEANING

STRICT = ConfigDict(extra="forbid", strict=True)
NOT_IN_FILES = (Decimal, Fraction)  # exact numbers for callers in Python; files have decimals
Place = tuple[str | int, ...]


def _day(value: Any) -> Any:
    """A date as YAML and TOML give it, or as JSON writes it."""
    if isinstance(value, str) and DAY.fullmatch(value):
        return datetime.date.fromisoformat(value)
    if not isinstance(value, datetime.date) or isinstance(value, datetime.datetime):
        raise ValueError("a day")  # noqa: TRY004 (pydantic reads ValueError)
    return value


PLAIN: dict[Any, Any] = {
    float: Annotated[float, Field(allow_inf_nan=False)],
    datetime.date: Annotated[datetime.date, BeforeValidator(_day)],
}


@functools.cache
def model_of(cls: type) -> type[BaseModel]:
    """The model of a dataclass: a strict field for each of its own; a workload's also says its kind."""
    hints, made = typing.get_type_hints(cls), {}
    if issubclass(cls, Workload):
        made["kind"] = (Literal[cls.kind], Field(description="which kind of workload this is"))
    for field in dataclasses.fields(cls):
        info: dict[str, Any] = {"description": MEANING.get((cls.__name__, field.name), MEANING.get(("", field.name)))}
        if field.default is not dataclasses.MISSING:
            info["default"] = list(field.default) if isinstance(field.default, tuple) else field.default
        elif field.default_factory is not dataclasses.MISSING:
            info["default_factory"] = model_of(hints[field.name])
        made[field.name] = (translate(hints[field.name]), Field(**info))
    fields: dict[str, Any] = made
    return create_model(cls.__name__, __config__=STRICT, __doc__=(cls.__doc__ or "").split("\n")[0], **fields)


def translate(hint: Any) -> Any:
    """The type of a field in a file, from its type in Python."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return list[translate(arguments[0])]  # type: ignore[misc]
    if origin in (typing.Union, types.UnionType):
        return functools.reduce(operator.or_, (translate(a) for a in arguments if a not in NOT_IN_FILES))
    if hint is Workload:
        kinds = functools.reduce(operator.or_, (model_of(kind) for kind in KINDS.values()))
        return Annotated[kinds, Discriminator("kind")]
    return model_of(hint) if isinstance(hint, type) and dataclasses.is_dataclass(hint) else PLAIN.get(hint, hint)


def spec_model() -> type[BaseModel]:
    """The model of a whole spec."""
    return model_of(Spec)


def json_schema() -> dict[str, Any]:
    """JSON Schema for editors."""
    made = spec_model().model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "Fleet spec"}


def build(value: Any, cls: type, place: Place, faults: list[tuple[Place, InputError]]) -> Any:
    """A dataclass from its model; what its own checks refuse is added to `faults`, and gives None."""
    before, made = len(faults), {}
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        made[field.name] = _plain(getattr(value, field.name), hints[field.name], (*place, field.name), faults)
    if len(faults) > before:
        return None
    try:
        return cls(**made)
    except InputError as error:
        faults.append((place, error))
        return None


def _plain(value: Any, hint: Any, place: Place, faults: list[tuple[Place, InputError]]) -> Any:
    if isinstance(value, BaseModel):
        return build(value, dataclass_in(hint, getattr(value, "kind", None)), place, faults)
    if isinstance(value, (list, tuple)):
        inner = next((a for a in _flat(hint) if typing.get_origin(a) is tuple), hint)
        return tuple(_plain(v, typing.get_args(inner)[0], (*place, i), faults) for i, v in enumerate(value))
    return value


def _flat(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def dataclass_in(hint: Any, kind: object = None) -> Any:
    """The dataclass that a field holds, one or many of; None if it holds plain values."""
    for part in _flat(hint):
        inner = typing.get_args(part)[0] if typing.get_origin(part) is tuple else part
        if inner is Workload:
            return KINDS.get(kind, Workload) if isinstance(kind, str) else Workload
        if dataclasses.is_dataclass(inner):
            return inner
    return None
