"""Demand ahead: a history becomes a mean, calibrated intervals and paths, with the errors such forecasts had before.

history = read_history("demand.csv", unit="accelerators")
ahead = forecast(history, 24 * 90, events=[Event(day=date(2027, 3, 1), series="chat", units=64)])
ahead.mean, ahead.upper, ahead.paths, ahead.coverage
"""

from .cost import CostForecast, PriceMoves, PriceRow, catalogue_prices, cost_forecast, price_moves
from .events import Event, Growth
from .fan import Forecast
from .history import History
from .methods import METHODS
from .reading import read_history
from .run import forecast

__all__ = [
    "METHODS",
    "CostForecast",
    "Event",
    "Forecast",
    "Growth",
    "History",
    "PriceMoves",
    "PriceRow",
    "catalogue_prices",
    "cost_forecast",
    "forecast",
    "price_moves",
    "read_history",
]
