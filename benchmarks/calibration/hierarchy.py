"""Ridge regression over groups of groups: each level's coefficients share a variance.

A coefficient is one basis function in one group of one level; a group that few rows tell of is shrunk towards none.
Rows far off count less (Student's t with four degrees of freedom, by reweighting).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array, diags_array

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Array = np.ndarray[Any, np.dtype[np.float64]]
Index = np.ndarray[Any, np.dtype[np.int64]]
FREEDOM = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ridge:
    """Columns of a regression: coefficient j multiplies basis[j] in the rows of its group."""

    design: csr_array  # [N, P]
    owner: Array  # int [P], index into `families`
    families: tuple[tuple[str, str], ...]  # (level, basis function)
    names: tuple[tuple[str, str, str], ...]  # (level, group, basis function) of each coefficient


@dataclass(frozen=True, slots=True, kw_only=True)
class Variances:
    """Logarithms of standard deviations."""

    levels: Mapping[str, float]  # of a level's common factor
    slope: float  # of its other basis functions, as a factor
    noise: float


def ridge(
    groups: Mapping[str, Sequence[str]], basis: Mapping[str, Array], wanted: Mapping[str, Sequence[str]]
) -> Ridge:
    """The columns of levels with the basis functions wanted of each."""
    parts: list[tuple[Index, Array]] = []
    names = []
    for level, functions in wanted.items():
        keys = np.array(groups[level], dtype=object)
        for group in sorted(set(groups[level])):
            mine = np.flatnonzero(keys == group)
            for function in functions:
                parts.append((mine, basis[function][mine]))
                names.append((level, group, function))
    families = tuple(dict.fromkeys((level, function) for level, _, function in names))
    owner = np.array([families.index((level, function)) for level, _, function in names])
    rows = np.concatenate([mine for mine, _ in parts])
    columns = np.repeat(np.arange(len(parts)), [len(mine) for mine, _ in parts])
    values = np.concatenate([value for _, value in parts])
    design = csr_array((values, (rows, columns)), shape=(len(basis[next(iter(basis))]), len(parts)))
    return Ridge(design=design, owner=owner, families=families, names=tuple(names))


def weights_of(residual: Array, noise: float) -> Array:
    """Weights of rows under Student's t."""
    return np.asarray((FREEDOM + 1.0) / (FREEDOM + (residual / noise) ** 2))


def solve(made: Ridge, y: Array, weight: Array, variances: Variances) -> tuple[Array, Array]:
    """(coefficients [P], fitted values [N])."""
    prior, noise = _prior(made, _packed(made, variances)), np.exp(variances.noise)
    precision = weight / noise**2
    normal = _normal(made, precision)
    normal[np.diag_indices_from(normal)] += 1.0 / prior[made.owner]
    found = cho_solve(cho_factor(normal, lower=True), made.design.T @ (precision * y))
    return found, made.design @ found


def _normal(made: Ridge, precision: Array) -> Array:
    return np.asarray((made.design.T @ diags_array(precision) @ made.design).toarray())


def _levels(made: Ridge) -> list[str]:
    return list(dict.fromkeys(level for level, _ in made.families))


def _packed(made: Ridge, v: Variances) -> Array:
    return np.array([*(v.levels[level] for level in _levels(made)), v.slope, v.noise])


def _is_slope(made: Ridge) -> Array:
    first = dict(reversed(made.families))
    return np.array([function != first[level] for level, function in made.families])


def _prior(made: Ridge, v: Array) -> Array:
    """Variance of each family."""
    place = [_levels(made).index(level) for level, _ in made.families]
    return np.exp(2.0 * (v[place] + np.where(_is_slope(made), v[-2], 0.0)))
