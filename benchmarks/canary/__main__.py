"""Simulates rollouts; prints the record, and leaves what each simulation gave in `results.json`."""

from benchmarks.canary.simulate import run
from benchmarks.measure import command_line

command_line(run, __doc__)
