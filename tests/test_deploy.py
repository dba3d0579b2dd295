"""What ships for operators names verbs and settings that exist."""

from __future__ import annotations

import configparser
import shlex

from gateway.cli.main import main
from gateway.settings import ENVIRONMENT_PREFIX, Settings
from tests.support import REPOSITORY
from tests.test_docs import settings_of

DEPLOY = REPOSITORY / "deploy"


def test_the_unit_starts_a_verb_that_exists() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.read(DEPLOY / "gateway.service")
    program, verb, option, _ = shlex.split(unit["Service"]["ExecStart"])

    assert program.endswith("/gateway")
    assert option in {name for parameter in main.commands[verb].params for name in parameter.opts}
    assert unit["Service"]["RestartPreventExitStatus"] == "78"


def test_the_environment_that_it_names_sets_something() -> None:
    text = (DEPLOY / "gateway.service").read_text(encoding="utf-8")
    lines = [line.lstrip("# ").removeprefix("Environment=") for line in text.split("\n") if ENVIRONMENT_PREFIX in line]
    named = {line.partition("=")[0] for line in lines}

    settings = set(settings_of(Settings))
    assert named
    for name in named:
        assert name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".") in settings
