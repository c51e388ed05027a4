"""Accuracy of the training model on a table of measurements: `python -m benchmarks.training_accuracy FILE [--fit]`.

FILE is a CSV with columns model, gpu, n_gpus, tp, pp, ep, mbs, gbs, seq_len, precision, recompute, task,
tflops_per_gpu, tokens_per_s_per_gpu, split. Rows of models outside the packaged architectures are left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from benchmarks.perf_accuracy import score
from solver.perf import architecture
from solver.perf.constants import TrainingConstants, constants, precision
from solver.perf.hardware import GIB, Hardware
from solver.perf.training import Gang, Trainer

Array = np.ndarray[Any, np.dtype[np.float64]]
# Vendor data sheets: GiB, GB/s, dense TFLOP/s BF16, FP8, FP4, scale-up GB/s one way, accelerators it joins.
SYSTEMS = {
    "H100-SXM": (80, 3350, 989, 1979, 0, 450, 8),
    "H200-SXM": (141, 4800, 989, 1979, 0, 450, 8),
    "B200": (180, 7700, 2250, 4500, 9000, 900, 8),
    "GB200": (186, 8000, 2500, 5000, 10000, 900, 64),
    "GB300": (279, 8000, 2500, 5000, 15000, 900, 64),
}
MODELS = {
    "LLAMA3.1_405B": "meta-llama-3.1-405b",
    "LLAMA3_70B": "meta-llama-3.1-70b",
    "LLAMA3_8B": "meta-llama-3.1-8b",
    "Llama-3.1-70B": "meta-llama-3.1-70b",
    "Llama-3.1-8B": "meta-llama-3.1-8b",
    "Llama-3-70B": "meta-llama-3.1-70b",
    "DeepSeekV3": "deepseek-v3",
    "DeepSeekV3 (w/o MTP)": "deepseek-v3",
    "GPT OSS 120B": "gpt-oss-120b",
    "Qwen3_30B_a3B": "qwen3-30b-a3b",
}


def load(file: Path) -> pd.DataFrame:
    """Pre-training rows of known models on known accelerators, in BF16 or FP8, with a rate."""
    t = pd.read_csv(file, low_memory=False)
    for name in ("tp", "pp", "ep", "cp", "mbs", "gbs", "seq_len", "n_gpus"):
        t[name] = pd.to_numeric(t[name], errors="coerce")
    t[["tp", "pp", "ep", "cp", "mbs"]] = t[["tp", "pp", "ep", "cp", "mbs"]].fillna(1)
    kind = t.precision.fillna("").str.upper()
    t["stored"] = np.where(kind.str.contains("FP8|FLOAT8"), "fp8", np.where(kind.str.contains("BF16"), "bf16", ""))
    t["rate"] = pd.to_numeric(t.tokens_per_s_per_gpu, errors="coerce")
    good = t.model.isin(MODELS) & t.gpu.isin(SYSTEMS) & (t.stored != "") & (t.task == "Pre-Training") & (t.cp == 1)
    return t[
        good & t.rate.gt(0) & t.gbs.gt(0) & t.seq_len.gt(0) & (t.gbs * t.tp * t.pp >= t.n_gpus * t.mbs)
    ].reset_index(drop=True)


def trainers(rows: pd.DataFrame) -> list[tuple[Array, Trainer]]:
    """(row numbers, trainer) for each model, precision, sequence length, batch and recomputation."""
    made = []
    keys = ["model", "stored", "seq_len", "gbs", rows.recompute.fillna("").eq("full").rename("full")]
    for (model, stored, length, batch, full), part in rows.groupby(keys):
        hbm, bandwidth, bf16, fp8, fp4, scaleup, domain = (
            np.array(x, float) for x in zip(*(SYSTEMS[g] for g in part.gpu), strict=True)
        )
        hw = Hardware(
            hbm_bytes=hbm * GIB,
            hbm_bytes_per_s=bandwidth * 1e9,
            bf16_flop_per_s=bf16 * 1e12,
            fp8_flop_per_s=fp8 * 1e12,
            fp4_flop_per_s=fp4 * 1e12,
            scaleup_bytes_per_s=scaleup * 1e9,
            scaleout_bytes_per_s=np.full(len(part), 50e9),
            generation=(fp4 > 0).astype(np.int64),
        )
        gang = Gang(
            accelerators=part["n_gpus"].to_numpy(float),
            per_node=domain,
            tensor_parallel=part["tp"].to_numpy(float),
            pipeline_parallel=part["pp"].to_numpy(float),
            expert_parallel=part["ep"].to_numpy(float),
            zero_stage=np.ones(len(part)),
        )
        made.append(
            (
                part.index.to_numpy(),
                Trainer(
                    architecture=architecture(MODELS[model]),
                    precision=precision(stored),
                    hardware=hw,
                    gang=gang,
                    constants=constants(),
                    sequence_length=int(length),
                    global_batch_sequences=int(batch),
                    recompute=bool(full),
                    micro_batch=part["mbs"].to_numpy(float),
                ),
            )
        )
    return made


def predict(parts: list[tuple[Array, Trainer]], training: TrainingConstants, count: int) -> tuple[Array, Array]:
    """Tokens a second of an accelerator, and model FLOP utilisation against the BF16 peak."""
    rate, mfu = np.empty(count), np.empty(count)
    for index, trainer in parts:
        t = dataclasses.replace(trainer, constants=dataclasses.replace(trainer.constants, training=training))
        rate[index], mfu[index] = t.tokens_per_s() / t.gang.accelerators, t.mfu()
    return rate, mfu


FITTED = (
    "fp8_efficiency",
    "moe_efficiency",
    "half_rate_flop",
    "layer_s",
    "exposed_tensor_communication",
    "exposed_data_communication",
    "exposed_expert_communication",
)
SHARES = {
    "fp8_efficiency",
    "moe_efficiency",
    "exposed_tensor_communication",
    "exposed_data_communication",
    "exposed_expert_communication",
}


def fit(rows: pd.DataFrame) -> TrainingConstants:
    """Robust least squares of log rate, with a pull to the start; shares stay below 1."""
    parts, base = trainers(rows), constants().training
    start = np.log([getattr(base, f) for f in FITTED])
    upper = np.array([0.0 if f in SHARES else np.inf for f in FITTED])
    measured = np.log(rows.rate.to_numpy())

    def made(x: Array) -> TrainingConstants:
        return dataclasses.replace(base, **dict(zip(FITTED, map(float, np.exp(x)), strict=True)))

    def residuals(x: Array) -> Array:
        return np.concatenate([np.log(predict(parts, made(x), len(rows))[0]) - measured, 0.1 * (x - start)])

    return made(
        least_squares(
            residuals, np.minimum(start, upper - 0.01), loss="soft_l1", f_scale=0.15, bounds=(-np.inf, upper)
        ).x
    )


def write(training: TrainingConstants, provenance: str) -> None:
    """Replace the [training] group of constants.toml."""
    target = Path(__file__).resolve().parent.parent / "solver" / "perf" / "constants.toml"
    lines = [f"{f.name} = {getattr(training, f.name):.4g}" for f in dataclasses.fields(training)]
    group = "\n".join(["[training]", f'provenance = "{provenance}"', *lines])
    text = re.sub(
        r"\[training\]\n.*?(?=\n\n?\[|\Z)", lambda _: group, target.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    target.write_text(text.rstrip() + "\n", encoding="utf-8")


def main() -> None:
    """Print the accuracy by split, model and accelerator; with --fit, fit first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args()
    rows = load(options.file)
    training = constants().training
    if options.fit:
        train = rows[rows.split == "train"].reset_index(drop=True)
        training = fit(train)
        write(
            training,
            f"Robust least squares of {', '.join(FITTED)} on {len(train)} public pre-training rates (docs of "
            "Megatron-Bridge and torchtitan), by python -m benchmarks.training_accuracy FILE --fit; rest assumed.",
        )
    rate, mfu = predict(trainers(rows), training, len(rows))
    for name in ("split", "gpu", "stored", "model"):
        for value, part in rows.groupby(name):
            i = part.index.to_numpy()
            error = score(part.rate.to_numpy(), rate[i])
            print(f"{name:7s} {value:24s} tokens/s {error}  modelled MFU {mfu[i].min():.2f} to {mfu[i].max():.2f}")


if __name__ == "__main__":
    main()
