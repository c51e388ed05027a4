"""Other files than specs, read as strictly: a document becomes a dataclass, or one error that names every fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from .reader import Document


def typed(document: Document, cls: type, *, see: str) -> Any:
    """The dataclass that a document states.

    Args:
        document: as it was read.
        cls: dataclass; its fields are the file's.
        see: what to do about a file without fields.

    Raises:
        InputError: naming file, line, field and the mend; several faults at once where there are several.
    """
    from pydantic import ValidationError

    from .faults import Fault, error_of, of_schema
    from .schema import build, model_of

    if not isinstance(document.data, dict):
        raise InputError("holds no fields", where=document.name, mend=see)
    try:
        model = model_of(cls).model_validate(document.data)
    except ValidationError as error:
        raise error_of(of_schema(error.errors(include_url=False), document.data, cls), document) from None
    refused: list[Any] = []
    made = build(model, cls, (), refused)
    if refused:
        faults = [Fault(place, f"{error.where}: {error.message}", error.mend) for place, error in refused]
        raise error_of(faults, document)
    return made
