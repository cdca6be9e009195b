"""The flags of Kong's ingress controller, as arguments and as variables."""

import pytest

from crossfade.controller.gateway.flags import FAMILIES, WITHOUT_EFFECT, understood
from crossfade.controller.gateway.settings import GatewaySettings

# What Kong's chart 1.11 and 3.4 set by default.
OF_CHARTS = {
    "CONTROLLER_ADMISSION_WEBHOOK_LISTEN": "0.0.0.0:8080",
    "CONTROLLER_ELECTION_ID": "kong-ingress-controller-leader-kong",
    "CONTROLLER_INGRESS_CLASS": "kong",
    "CONTROLLER_KONG_ADMIN_TLS_SKIP_VERIFY": "true",
    "CONTROLLER_KONG_ADMIN_URL": "https://localhost:8444",
    "CONTROLLER_PUBLISH_SERVICE": "kong/kong-kong-proxy",
}


@pytest.mark.parametrize(
    ("arguments", "class_name"),
    [
        ([], "of-variable"),
        (["--ingress-class=other"], "other"),
        (["--ingress-class", "other"], "other"),
        (["--update-status", "--ingress-class", "other"], "other"),
        (["--profiling=false", "-v", "--ingress-class=other"], "other"),
        (["--ingress-class="], ""),
    ],
)
def test_an_argument_goes_before_its_variable(arguments: list[str], class_name: str) -> None:
    found = understood(arguments, {"CONTROLLER_INGRESS_CLASS": "of-variable", "A": "b"})
    assert found.environment["CONTROLLER_INGRESS_CLASS"] == class_name
    assert found.environment["A"] == "b"


def test_what_a_chart_sets_without_meaning_is_told_in_one_line() -> None:
    (remark,) = understood([], OF_CHARTS).remarks
    assert remark.where == "CONTROLLER_KONG_ADMIN_TLS_SKIP_VERIFY, CONTROLLER_KONG_ADMIN_URL"
    assert "not over the Admin API" in remark.text


def test_unknown_ones_are_named_once() -> None:
    found = understood(["--no-such=1", "word"], {"CONTROLLER_NEITHER": "x", "CONTROLLER_EMPTY": ""})
    (remark,) = found.remarks
    assert remark.where == "CONTROLLER_NEITHER, --no-such, --word"
    assert "not known here" in remark.text


@pytest.mark.parametrize(
    ("variable", "way_out"),
    [("CONTROLLER_WATCH_NAMESPACE", "ingress class"), ("CONTROLLER_KONG_ADMIN_SVC", "beside the controller")],
)
def test_what_would_change_who_is_served_is_refused(variable: str, way_out: str) -> None:
    with pytest.raises(ValueError, match=f"{variable} is 'a/b'.*{way_out}"):
        understood([], {variable: "a/b"})


@pytest.mark.parametrize("flag", [*WITHOUT_EFFECT, *(f"{start}x" for start, _ in FAMILIES)])
def test_a_flag_without_effect_says_why(flag: str) -> None:
    (remark,) = understood([f"--{flag}=1"], {}).remarks
    assert remark.where == f"--{flag}"
    assert remark.text.startswith("has no effect: ")


def test_settings_take_them_all() -> None:
    found = understood(["--election-id=mine", "--health-probe-bind-address=:10999"], OF_CHARTS)
    settings = GatewaySettings.from_environment(found.environment, None, remarks=found.remarks)
    assert settings.lease.name == "mine"
    assert settings.health_port == 10_999
    assert settings.webhook is None, "there is no certificate to serve it with"
    assert settings.remarks[: len(found.remarks)] == found.remarks
