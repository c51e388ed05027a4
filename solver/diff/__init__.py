"""What changed between two plans, to the micro-dollar: every dollar of the difference belongs to a named line.

`diff(before, after).change_micro_usd` is the sum of `change_micro_usd` over its `lines`, and of its `causes`.
"""

from .account import CAUSES, Line
from .compared import Difference, Holding, Placement, diff
from .gate import Gate

__all__ = ["CAUSES", "Difference", "Gate", "Holding", "Line", "Placement", "diff"]
