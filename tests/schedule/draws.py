"""Random scheduling problems: tiny ones for enumeration, and larger ones like a week of a cluster."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from solver.schedule import Jobs, Options, ScheduleProblem, Supplies, build

START = datetime.datetime(2027, 3, 1, tzinfo=datetime.UTC)


def tiny(seed: int) -> ScheduleProblem:
    """Two or three jobs in one or two pools over a few hours: idle nodes, on demand, blocks; splits on every third."""
    g = np.random.default_rng(seed)
    split = seed % 3 == 0
    hours, pools = int(g.integers(6, 9) if split else g.integers(3, 7)), ["a", "b"][: int(g.integers(1, 3))]
    supplies: list[dict[str, Any]] = []
    for pool in pools:
        if g.random() < 0.6:
            supplies.append({"pool": pool, "kind": "idle", "nodes": g.integers(0, 4, hours).tolist()})
        if g.random() < 0.8:
            price = g.integers(1, 5, hours).tolist() if g.random() < 0.5 else int(g.integers(1, 5))
            supplies.append({"pool": pool, "nodes": int(g.integers(1, 5)), "usd_per_hour": price})
        if g.random() < 0.3:
            first = int(g.integers(0, hours))
            nodes = [2 if first <= t < first + 3 else 0 for t in range(hours)]
            supplies.append({"pool": pool, "kind": "block", "nodes": nodes, "upfront_usd": int(g.integers(1, 9))})
    supplies = supplies or [{"pool": "a", "nodes": 2, "usd_per_hour": 1}]
    jobs = [_tiny_job(g, f"job {i}", hours, pools, split=split) for i in range(int(g.integers(1, 3 if split else 4)))]
    if len(jobs) > 1 and g.random() < 0.3:  # two alike
        jobs[1] = {**jobs[0], "name": jobs[1]["name"]}
    return build(name=f"tiny {seed}", start=START, hours=hours, pools=pools, supplies=supplies, jobs=jobs)


def _tiny_job(g: np.random.Generator, name: str, hours: int, pools: list[str], *, split: bool) -> dict[str, Any]:
    release = int(g.integers(0, max(1, hours - 2)))
    job: dict[str, Any] = {"name": name, "release": release, "deadline": int(g.integers(release + 1, hours + 1))}
    job["options"] = [
        {"pool": pool, "nodes": int(g.integers(1, 4)), "hours": int(g.integers(1, 4)), "usd": int(g.integers(0, 2))}
        for pool in pools
        if g.random() < 0.9
    ]
    if g.random() < 0.5:
        job["unrun_usd"] = int(g.integers(0, 25))
    if split:
        job |= {
            "release": 0,
            "deadline": hours,
            "max_segments": int(g.integers(2, 4)),
            "restart_hours": int(g.integers(0, 2)),
        }
        job["min_segment_hours"] = int(g.integers(1, 3))
    return job


def cluster(jobs: int, hours: int, pools: int, seed: int, *, idle: bool = False, segments: int = 1) -> ScheduleProblem:
    """Gangs of 2 to 16 nodes in pools of 16 to 63, hours of work by pool; with `idle`, half is free at night."""
    g = np.random.default_rng(seed)
    nodes, price = g.integers(16, 64, pools), np.sort(g.uniform(20, 110, pools))[::-1].copy()
    speed, work = price / g.uniform(0.8, 1.2, pools), np.exp(g.normal(6.2, 0.7, jobs))
    gang, release = g.choice([2, 4, 8, 16], jobs), g.integers(0, hours // 2, jobs)
    length = np.ceil(work[:, None] / (speed[None, :] * gang[:, None])).clip(1).astype(np.int64)
    deadline = np.minimum(hours, release + length.min(axis=1) * 3.2 + 8).astype(np.int64)
    job, pool = np.divmod(np.arange(jobs * pools), pools)
    job, pool = job[gang[job] <= nodes[pool]], pool[gang[job] <= nodes[pool]]
    micro = np.round(price * 1e6).astype(np.int64)
    night = np.arange(hours) % 24 < 8
    free = np.where(night, nodes[:, None] // 2, 0)
    bought = np.repeat(nodes[:, None], hours, axis=1) - free if idle else np.repeat(nodes[:, None], hours, axis=1)
    rows = np.concatenate([np.arange(pools)] * (2 if idle else 1))
    kinds = np.array(["on_demand"] * pools + ["idle"] * (len(rows) - pools), dtype=object)
    zeros, ones = np.zeros(jobs, dtype=np.int64), np.ones(jobs, dtype=np.int64)
    return ScheduleProblem(
        name=f"{jobs} jobs, {hours} hours, {pools} pools, seed {seed}",
        start=START,
        pools=tuple(f"pool {i}" for i in range(pools)),
        supplies=Supplies(
            pool=rows.astype(np.int64),
            kind=kinds,
            name=kinds,
            nodes=np.concatenate([bought, free][: 2 if idle else 1]).astype(np.int64),
            micro_usd_per_hour=np.concatenate(
                [np.repeat(micro[:, None], hours, axis=1), np.zeros((pools, hours), dtype=np.int64)][: 2 if idle else 1]
            ),
            upfront_micro_usd=np.zeros(len(rows), dtype=np.int64),
        ),
        jobs=Jobs(
            name=np.array([f"job {i}" for i in range(jobs)], dtype=object),
            release=release.astype(np.int64),
            deadline=deadline,
            must_run=np.ones(jobs, dtype=bool),
            unrun_micro_usd=zeros,
            max_segments=ones * segments,
            min_segment_hours=ones,
            restart_hours=zeros + (segments > 1),
        ),
        options=Options(
            job=job.astype(np.int64),
            pool=pool.astype(np.int64),
            nodes=gang[job].astype(np.int64),
            hours=length[job, pool],
            micro_usd=np.zeros(len(job), dtype=np.int64),
        ),
    )
