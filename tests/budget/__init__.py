"""Budgets, and the gate."""
