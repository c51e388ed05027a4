"""Budgets: what a plan costs by fiscal period and scope, where each budget stands, and what would get back under."""

from .actual import read_actuals, read_paths
from .document import Alert, Budget, BudgetFile, Budgets, Project, Rate, read_budgets
from .ledger import Ledger, ledger
from .limits import Limit, limits
from .pace import at_pace
from .standing import Book, Standing, standings

__all__ = [
    "Alert",
    "Book",
    "Budget",
    "BudgetFile",
    "Budgets",
    "Ledger",
    "Limit",
    "Project",
    "Rate",
    "Standing",
    "at_pace",
    "ledger",
    "limits",
    "read_actuals",
    "read_budgets",
    "read_paths",
    "standings",
]
