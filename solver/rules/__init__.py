"""The rules of a plan: one file a rule, one entry here."""

from .base import Books, Rule, Violation
from .budget import Budget
from .capacity import Capacity
from .carbon import Carbon
from .chance import Chance
from .commitment import Commitment
from .demand import Demand
from .diversity import Diversity
from .gang import Gang
from .hold import Hold
from .latency import Latency
from .on_demand import OnDemand
from .outage import Outage
from .quota import Quota
from .residency import Residency
from .risk import Risk
from .robust import Robust
from .spot import Spot
from .transfer import Transfer
from .upfront import Upfront
from .window import Window

RULES: tuple[Rule, ...] = (
    Residency(),
    Latency(),
    Window(),
    Demand(),  # after the rules that say where it may go
    Capacity(),
    Outage(),
    Hold(),
    Chance(),
    Diversity(),
    OnDemand(),
    Commitment(),
    Spot(),
    Quota(),
    Gang(),
    Budget(),
    Upfront(),
    Transfer(),
    Carbon(),
    Risk(),  # after all that costs
    Robust(),
)

__all__ = ["RULES", "Books", "Rule", "Violation"]
