"""Protocol buffers filled from whole arrays, as they stand on the wire: no Python object for each number."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
BITS = 7  # of a number that a byte holds
MORE = 0x80  # another byte follows
CHUNK = 2  # wire type of a field that tells its length


def fill(message: Any, **fields: Array) -> None:
    """Put arrays into repeated fields of a message; whole numbers must not be negative."""
    for name, values in fields.items():
        if len(values):
            body = _packed(values)
            tag = message.DESCRIPTOR.fields_by_name[name].number << 3 | CHUNK
            message.MergeFromString(b"".join((_number(tag), _number(len(body)), body)))


def _packed(values: Array) -> bytes:
    if values.dtype.kind == "f":
        return values.astype("<f8", copy=False).tobytes()
    if values.dtype.kind == "b":
        return values.astype(np.uint8).tobytes()
    return _numbers(values)


def _numbers(values: Array) -> bytes:
    """Seven bits a byte, lowest first; all of the length of the largest, so that no byte has to move."""
    width = max(1, -(-int(values.max(initial=0)).bit_length() // BITS))
    made = np.empty((len(values), width), dtype=np.uint8)
    for i in range(width):
        made[:, i] = (values >> (BITS * i)) & (MORE - 1)
    made[:, :-1] |= MORE
    return made.tobytes()


def _number(value: int) -> bytes:
    return _numbers(np.array([value]))
