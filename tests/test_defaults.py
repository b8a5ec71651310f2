"""The command, a local run and the pipeline have the same defaults."""

import inspect
from dataclasses import fields

from adsmu.cli import run
from adsmu.local.folder import Parameters
from adsmu.pipelines.update.pipeline import tied


def test_the_command_has_the_defaults_of_a_local_run():
    given = inspect.signature(run).parameters
    for field in fields(Parameters):
        if field.name != "settings":  # the command takes them one by one
            assert given[field.name].default == field.default, field.name


def test_a_local_run_has_the_defaults_of_the_pipeline():
    inputs = tied().pipeline["root"]["inputDefinitions"]["parameters"]
    for name, value in vars(Parameters()).items():
        assert inputs[name]["defaultValue"] == value, name
