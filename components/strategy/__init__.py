"""The strategy: one file that names when a model is updated, with what, and when not.

from adsmu.strategy import read_strategy

strategy = read_strategy("examples/strategy.yaml")
strategy.digest, strategy.signals["psi"].threshold
"""

from adsmu.strategy.read import read_strategy
from adsmu.strategy.schema import Strategy, canonical

__all__ = ["Strategy", "canonical", "read_strategy"]
