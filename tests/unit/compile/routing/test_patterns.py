"""What Envoy takes as a regular expression, told before it is asked; its verdicts on these stand in the second test."""

from pathlib import Path

import pytest

from crossfade.api.bounds import Misfit
from crossfade.compile.routing.matches import PathMatchKind, RouteMatch
from crossfade.compile.routing.patterns import re2_pattern
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.validate import InvalidConfigurationError, validate
from tests.support.models import answer, proxy_model

PATTERNS = {
    "/a.*": True,
    "é+": True,
    r"[^\x00-\xff]": True,
    r"\C": True,
    "": False,
    "(": False,
    r"\1": False,
    "(?=a)": False,
    r"\x{100}": False,
    r"[^\x00-\x{10FFFF}]": False,
    r"(\w{400}){10}": False,
}


@pytest.mark.parametrize(("pattern", "is_right"), PATTERNS.items())
def test_patterns_are_judged_as_envoy_does(pattern: str, is_right: bool) -> None:
    assert isinstance(re2_pattern(pattern), Misfit) is not is_right


@pytest.mark.envoy
@pytest.mark.parametrize(("pattern", "is_right"), [(each, right) for each, right in PATTERNS.items() if each])
def test_envoy_agrees(pattern: str, is_right: bool, tmp_path: Path) -> None:
    route = answer("route", RouteMatch(pattern, PathMatchKind.REGEX))
    resources = resources_from_model(proxy_model(route), options=EnvoyOptions())
    if is_right:
        validate(resources, workdir=tmp_path)
    else:
        with pytest.raises(InvalidConfigurationError):
            validate(resources, workdir=tmp_path)
