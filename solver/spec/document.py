"""The reference of all fields as Markdown tables, from the schema: `python -m solver.spec.document` prints it."""

from __future__ import annotations

import json
import sys
from typing import Any

from .schema import json_schema

TITLES = {
    "Spec": ("Fields of the spec", ""),
    "Horizon": ("horizon", ""),
    "Prices": ("prices", ""),
    "Serving": ("workloads: kind serving", "Requests that want an answer within latency targets."),
    "Traffic": ("traffic of a serving workload", ""),
    "Training": (
        "workloads: kind training",
        "A run of so many tokens on a gang of nodes that start and stop together.",
    ),
    "CapacityBlock": ("capacity_blocks of a training workload", ""),
    "Batch": ("workloads: kind batch", "Requests to finish in a window, without latency targets."),
    "NamedLimits": ("limits", ""),
    "NamedQuota": ("quotas of limits", ""),
    "Cvar": ("cvar of limits", ""),
    "ServiceLevel": ("service_levels of limits", ""),
    "Scenario": ("scenarios", ""),
    "WorkloadFactor": ("demand_factors of scenarios", ""),
    "Forecast": ("demand_forecast", "Scenarios of demand, drawn."),
    "Growth": ("growth of demand_forecast", ""),
    "NamedOutage": ("outages", ""),
    "PriceRange": ("uncertain of prices", ""),
}


def reference() -> str:
    """Every field of every part: type, default, meaning."""
    schema = json_schema()
    models = {"Spec": schema, **schema["$defs"]}
    known = [name for name in TITLES if name in models]
    return "\n".join(_section(name, models[name]) for name in [*known, *(n for n in models if n not in TITLES)])


def _section(name: str, model: dict[str, Any]) -> str:
    title, text = TITLES.get(name, (f"workloads: kind {name.lower()}", model.get("description", "")))
    rows = [
        f"| `{field}` | {_type(about)} | {_default(field, about, model)} | {about.get('description', '')} |"
        for field, about in model["properties"].items()
    ]
    head = ["| field | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([f"## {title}", "", *([text, ""] if text else []), *head, *rows, ""])


def _type(about: dict[str, Any]) -> str:
    """A JSON Schema type in words."""
    if "anyOf" in about:
        return " or ".join(_type(part) for part in about["anyOf"] if part.get("type") != "null")
    if "enum" in about or "const" in about:
        return ", ".join(f"`{value}`" for value in about.get("enum", [about.get("const")]))
    if "oneOf" in about or "$ref" in about:
        return "fields"
    if about.get("type") == "array":
        return f"list of {_type(about['items'])}"
    if about.get("format") == "date":
        return "day"
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}[about["type"]]


def _default(field: str, about: dict[str, Any], model: dict[str, Any]) -> str:
    if field in model.get("required", ()):
        return "required"
    value = about.get("default")
    return "" if value in (None, "", []) else f"`{json.dumps(value)}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
