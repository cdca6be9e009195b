"""Regexes in configurations: the policy module's own parser judges them."""

import json

from crossfade.compile.policies.schema import EntityCheck, Problems
from crossfade.policy_module import library
from crossfade_kube.meta import JsonObject


def regexes(plugin: str, *fields: str) -> EntityCheck:
    """A check of lists of regexes, all of a field in one question.

    The module stops at the first that is wrong or makes them too large together, and says `field.place: reason`.
    """

    def check(config: JsonObject) -> Problems:
        found = ((field, _problem(plugin, field, config[field])) for field in fields if config[field])
        return {field: problem for field, problem in found if problem is not None}

    return check


def _problem(plugin: str, field: str, patterns: list[str]) -> str | Problems | None:
    problem = library.problem("instance", json.dumps({"id": "", "plugin": plugin, "config": {field: patterns}}))
    if problem is None:
        return None
    place, _, reason = problem.removeprefix(f"{field}.").partition(": ")
    return {place: reason} if place.isdecimal() else problem
