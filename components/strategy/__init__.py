"""The strategy: one file that names when a model is updated, with what, and when not.

from adsmu.strategy import read_strategy

strategy = read_strategy("examples/strategy.yaml")
strategy.digest, strategy.signals["psi"].threshold
"""

from adsmu.strategy.canonical import canonical
from adsmu.strategy.measures import LEVELS, MEASURES
from adsmu.strategy.read import read_strategy
from adsmu.strategy.schema import Strategy
from adsmu.strategy.updates import Costs, Dataset, EvaluationSet, Promotion, Trigger
from adsmu.strategy.watched import Cohort, Columns, Contract, Reference, Signal

__all__ = [
    "LEVELS",
    "MEASURES",
    "Cohort",
    "Columns",
    "Contract",
    "Costs",
    "Dataset",
    "EvaluationSet",
    "Promotion",
    "Reference",
    "Signal",
    "Strategy",
    "Trigger",
    "canonical",
    "read_strategy",
]
