"""Compile the tables of architectures: `python -m solver.perf.compile_architectures [CONFIG_DIR] --on DATE [--check]`.

CONFIG_DIR holds published configs named OWNER--NAME_config.json, as the Apache-2.0 package `aiconfigurator-core`
carries them in its `model_configs` folder. Every file is accounted for: kept, or dropped with its reason. Without
CONFIG_DIR it compiles architectures_manual.csv from the shapes in architectures_manual.toml.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import sys
import tomllib
from pathlib import Path

from ..errors import InputError
from .architectures import MANUAL, TABLE, Architecture
from .huggingface import from_config, load_config

SOURCE = "published config.json of the model, as collected by aiconfigurator 0.12 (Apache-2.0)"
SUFFIX = "_config.json"
QUANTISATION = "_hf_quant_config.json"


def compile_table(folder: Path, on: str) -> tuple[str, dict[str, str]]:
    """The table as CSV text, and the reason for each config left out."""
    rows: list[Architecture] = []
    dropped: dict[str, str] = {}
    for file in sorted(folder.glob(f"*{SUFFIX}")):
        name = file.name.removesuffix(SUFFIX).replace("--", "/", 1)
        if name.endswith("_hf_quant"):
            continue  # read with the config it belongs to
        try:
            config = load_config(file) | _separate_quantisation(
                folder / f"{file.name.removesuffix(SUFFIX)}{QUANTISATION}"
            )
            rows.append(from_config(config, name=name, where=file.name, source=SOURCE, on=on))
        except InputError as error:
            dropped[name] = str(error)
    return _as_csv(rows), dropped


def compile_manual(on: str) -> str:
    """The hand-kept table as CSV text.

    Raises:
        InputError: a shape that is no architecture.
    """
    shapes = Path(__file__).with_name(MANUAL).with_suffix(".toml")
    groups = tomllib.loads(shapes.read_text(encoding="utf-8"))["groups"]
    return _as_csv(
        [
            from_config(group["fields"] | fields, name=name, where=shapes.name, source=group["source"], on=on)
            for group in groups
            for name, fields in group["models"].items()
        ]
    )


def _as_csv(rows: list[Architecture]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([f.name for f in dataclasses.fields(Architecture)])
    writer.writerows(dataclasses.astuple(row) for row in sorted(rows, key=lambda r: r.name.lower()))
    return text.getvalue()


def _separate_quantisation(file: Path) -> dict[str, dict[str, str]]:
    if not file.is_file():
        return {}
    algorithm = str(load_config(file).get("quantization", {}).get("quant_algo", ""))
    return {"quantization_config": {"quant_method": "fp8" if algorithm.startswith("FP8") else "modelopt"}}


def main(arguments: list[str] | None = None) -> int:
    """Write the table, or with --check say whether it is what would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--on", required=True, help="ISO date of the configs")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    text, dropped = compile_table(options.folder, options.on) if options.folder else (compile_manual(options.on), {})
    target = Path(__file__).with_name(TABLE if options.folder else MANUAL)
    print(f"{text.count(chr(10)) - 1} architectures, {len(dropped)} left out")
    for name, reason in dropped.items():
        print(f"  left out {name}: {reason}")
    if options.check:
        return int(target.read_text(encoding="utf-8") != text)
    target.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
