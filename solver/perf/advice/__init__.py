"""Advice for one model on one machine: the best way to serve it there, what holds it back, and what would move it.

Everything is found by evaluating the model again: a share of a step is how much the step shrinks when a resource is
faster, and every "what if" is another prediction.
"""

from .best import advise, memory_of
from .field import GRID, words
from .nouns import Advice, Latency, Machine, Move, Point, Question

__all__ = ["GRID", "Advice", "Latency", "Machine", "Move", "Point", "Question", "advise", "memory_of", "words"]
