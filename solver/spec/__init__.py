"""From a spec file to a Problem.

    problem = solver.spec.load("fleet.yaml")

The pieces: `reader` (any file, safely), `model` (what a spec is), `schema` (its check), `faults` (messages).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Sequence

    from costdata import Catalog

    from ..calendar import Scenario
    from ..problem import Problem
    from .model import Spec
    from .reader import Document

    Catalogues = Callable[[datetime.date | None, str | None], Catalog]

__all__ = ["json_schema", "load", "loads", "read_spec", "spec_of"]


def load(path: str | os.PathLike[str]) -> Problem:
    """The problem a YAML, TOML or JSON file states.

    Raises:
        InputError: naming file, line, field and the mend; several faults at once where there are several.
    """
    from .reader import read

    document = read(path)
    return _problem(*_parse(document), document.name, Path(path).parent)


def loads(canonical_json: str, *, overrides: str | None = None, catalogue: Catalogues | None = None) -> Problem:
    """The problem of a spec as canonical JSON, as kept in `Problem.provenance["spec"]` and in every plan.

    Args:
        canonical_json: the spec.
        overrides: folder of overrides to use instead of the one the spec names.
        catalogue: gives the catalogue of a day with overrides; by default `costdata.load`. For callers that keep them.
    """
    from .reader import parse

    document = parse(canonical_json.encode(), name="spec", suffix=".json")
    return _problem(*_parse(document), document.name, Path(), overrides, catalogue)


def read_spec(path: str | os.PathLike[str]) -> Spec:
    """The spec in a file, checked by itself but not yet against a catalogue."""
    from .reader import read

    return _parse(read(path))[0]


def spec_of(document: Document) -> Spec:
    """The spec in values already read, checked like one in a file."""
    return _parse(document)[0]


def json_schema() -> dict[str, Any]:
    """JSON Schema of a spec, for editors."""
    from .schema import json_schema

    return json_schema()


def _parse(document: Document) -> tuple[Spec, dict[str, Any]]:
    """The spec, and the same as plain JSON values with its defaults."""
    from pydantic import ValidationError

    from .faults import Fault, error_of, of_schema
    from .model import Spec
    from .schema import build, spec_model

    if not isinstance(document.data, dict):
        mend = "autoparallel init prints a starter spec"
        raise InputError("holds no fields", where=document.name, mend=mend)
    try:
        model = spec_model().model_validate(document.data)
    except ValidationError as error:
        raise error_of(of_schema(error.errors(include_url=False), document.data), document) from None
    refused: list[Any] = []
    spec = build(model, Spec, (), refused)
    if refused:
        faults = [Fault(place, _message(error, place), error.mend) for place, error in refused]
        raise error_of(faults, document)
    return spec, model.model_dump(mode="json", exclude_none=True)


def _scenarios(spec: Spec) -> Sequence[Scenario]:
    """Those given, or those of a forecast."""
    from ..enumerate.forecast import drawn

    if spec.demand_forecast is None:
        return spec.scenarios
    return drawn(spec.demand_forecast, [w.name for w in spec.workloads if w.kind == "serving"])


def _message(error: InputError, place: tuple[Any, ...]) -> str:
    """Of a fault inside a workload, what is said besides the workload's name."""
    inner = error.where.rpartition(": ")[2] if ": " in error.where else ""
    return f"{inner}: {error.message}" if inner and place[:1] == ("workloads",) else error.message


def _problem(
    spec: Spec,
    plain: dict[str, Any],
    name: str,
    folder: Path,
    overrides: str | None = None,
    catalogue: Catalogues | None = None,
) -> Problem:
    """Narrow the catalogue and enumerate."""
    import costdata
    from costdata.errors import DataError

    from ..enumerate import enumerate_problem

    prices = spec.prices
    used = overrides or (str((folder / prices.overrides).resolve()) if prices.overrides else None)
    try:
        catalog = (catalogue or costdata.load)(prices.as_of, used)
        wanted = {"provider": prices.providers, "region": prices.regions}
        if any(wanted.values()):
            catalog = catalog.where(**{key: names for key, names in wanted.items() if names})
        if prices.max_age_days is not None:  # of what is left: old prices elsewhere do no harm
            catalog = catalog.not_older_than(prices.max_age_days)
    except DataError as error:
        raise InputError(error.message, where=f"{name}: prices: {error.where}", mend=error.mend) from None
    plain["prices"]["as_of"] = catalog.as_of.isoformat()
    canonical = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    try:
        return enumerate_problem(
            name=spec.name,
            catalog=catalog,
            workloads=spec.workloads,
            horizon=spec.horizon,
            options=prices.options,
            limits=spec.limits,
            scenarios=_scenarios(spec),
            outages=spec.outages,
            risk_weight=spec.risk_weight,
            price_ranges=prices.uncertain,
            robust_budget=prices.robust_budget,
            commitment_starts=spec.commitment_starts,
            accounting=spec.accounting,
            provenance={"spec": canonical, "overrides": used or ""},
        )
    except InputError as error:
        raise InputError(error.message, where=f"{name}: {error.where}", mend=error.mend) from None
