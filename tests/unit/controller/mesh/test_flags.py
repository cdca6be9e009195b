"""How the flags of App Mesh's controller are read, and what is said of them."""

import re
from typing import Any

import pytest
from generate.reference.mesh_settings import mesh_settings_page
from hypothesis import given
from hypothesis import strategies as st

from crossfade.controller.mesh.flag_table import BY_NAME, FLAGS, IGNORED, IGNORED_BY_NAME, SWITCHES
from crossfade.controller.mesh.flags import read_flags
from crossfade.controller.mesh.settings import MeshSettings

# What the chart 1.13.3 renders with its default values.
OF_CHART = [
    "--enable-leader-election=true",
    "--log-level=info",
    "--sidecar-image-repository=public.ecr.aws/appmesh/aws-appmesh-envoy",
    "--sidecar-image-tag=v1.29.12.1-prod",
    "--sidecar-cpu-requests=10m",
    "--sidecar-memory-requests=32Mi",
    "--sidecar-cpu-limits=",
    "--sidecar-memory-limits=",
    "--init-image=840364872350.dkr.ecr.us-west-2.amazonaws.com/aws-appmesh-proxy-route-manager:v7-prod",
    "--enable-stats-tags=false",
    "--prestop-delay=20",
    "--poststart-timeout=180",
    "--poststart-interval=5",
    "--readiness-probe-initial-delay=1",
    "--readiness-probe-period=10",
    "--envoy-admin-access-port=9901",
    "--envoy-admin-access-log-file=/tmp/envoy_admin_access.log",
    "--envoy-admin-access-enable-ipv6=false",
    "--dual-stack-endpoint=false",
    "--fips-endpoint=false",
    "--envoy-aws-access-key-id=",
    "--envoy-aws-secret-access-key=",
    "--envoy-aws-session-token=",
    "--preview=false",
    "--enable-sds=false",
    "--sds-uds-path=/run/spire/sockets/agent.sock",
    "--enable-backend-groups=false",
    "--cluster-name=",
    "--use-aws-dual-stack-endpoint=false",
    "--use-aws-fips-endpoint=false",
    "--cloudmap-dns-ttl=300",
    "--sidecar-log-level=info",
    "--health-probe-port=61779",
    "--wait-until-proxy-ready=false",
    "--tls-min-version=VersionTLS12",
    "--tls-cipher-suite=",
]


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        (["--prestop-delay=5"], {"prestop-delay": 5}),
        (["--prestop-delay", "5"], {"prestop-delay": 5}),
        (["/controller", "--prestop-delay", "5"], {"prestop-delay": 5}),
        (["--prestop-delay=5", "--prestop-delay=6"], {"prestop-delay": 6}),
        (["--prestop-delay="], {}),
        (["--prestop-delay", ""], {}),
        (["--prestop-delay=5", "--prestop-delay="], {}),
        (["--enable-sds"], {"enable-sds": True}),
        (["--enable-sds", "--prestop-delay=5"], {"enable-sds": True, "prestop-delay": 5}),
        (["--enable-sds=F"], {"enable-sds": False}),
        (["--enable-sds="], {}),
        (["--aws-account-id=1.23456789012e+11"], {"aws-account-id": "123456789012"}),
        (["--ignored-ips=10.0.0.1, fd00::/8,"], {"ignored-ips": "10.0.0.1,fd00::/8"}),
        ([], {}),
        (["/controller"], {}),
    ],
)
def test_flags_are_read_as_gos(arguments: list[str], values: dict[str, object]) -> None:
    found = read_flags(arguments)
    assert found.values == values
    assert found.unknown == ()


@pytest.mark.parametrize(
    ("arguments", "unknown"),
    [
        (["--not-there", "x", "--prestop-delay=5"], ("--not-there",)),
        (["--not-there=secret", "-v", "2", "--prestop-delay=5"], ("--not-there", "-v")),
        (["--enable-sds", "true", "--prestop-delay=5"], ("true",)),
        (["--prestop-delay=5", "--", "--enable-sds"], ("--enable-sds",)),
        (["--prestop-dely=9", "--prestop-delay=5"], ("--prestop-dely (did you mean --prestop-delay?)",)),
        (["--" + "x" * 500, "--prestop-delay=5"], ("--" + "x" * 78 + "…",)),
        (["--prestop-delay=5", *(f"-q{n}" for n in range(25))], (*(f"-q{n}" for n in range(20)), "and 5 more")),
    ],
)
def test_what_is_no_flag_is_named_and_ignored(arguments: list[str], unknown: tuple[str, ...]) -> None:
    found = read_flags(arguments)
    assert found.unknown == unknown
    assert found.values["prestop-delay"] == 5


WRONG = [
    ("--prestop-delay=20s", "whole number from 0 to 86400"),
    ("--prestop-delay=²", "whole number"),
    ("--prestop-delay=" + "9" * 5000, "whole number"),
    ("--poststart-timeout=0", "from 1 to"),
    ("--readiness-probe-period=0", "from 1 to"),
    ("--readiness-probe-initial-delay=-1", "from 0 to"),
    ("--wait-until-proxy-ready=yes", "true or false"),
    ("--aws-account-id=123", "twelve digits"),
    ("--aws-region=us west", "region like us-west-2"),
    ("--sidecar-cpu-requests=lots", "quantity like 100m"),
    ("--sidecar-memory-limits=-1Gi", "quantity like 100m"),
    ("--sidecar-memory-limits=1e999", "quantity like 100m"),
    ("--sidecar-log-level=loud", "one of trace, debug"),
    ("--log-level=loud", "one of debug, info"),
    ("--sidecar-image-repository=a b", "an image like"),
    ("--sidecar-image-tag=a:b", "an image's tag"),
    ("--init-image=:", "an image like"),
    ("--envoy-admin-access-port=15001", "15001 is taken by the proxies"),
    ("--envoy-admin-access-port=65536", "from 1 to 65535"),
    ("--health-probe-port=9443", "9443 is taken by the controller"),
    ("--envoy-admin-access-log-file=log", "absolute path"),
    ("--sds-uds-path=/run/../x", "absolute path without .."),
    ("--sds-uds-path=/run:x", "absolute path"),
    ("--cloudmap-dns-ttl=-1", "from 0 to"),
    ("--ignored-ips=example.com", "addresses or networks"),
    ("--tls-min-version=TLS1.2", "one of VersionTLS10"),
    ("--tls-cipher-suite=ECDHE-RSA-AES128-GCM-SHA256", "no cipher suite of Go: use some of TLS_ECDHE"),
    ("--tls-cipher-suite=TLS_RSA_WITH_RC4_128_SHA", "none of them is served: use some of TLS_ECDHE"),
]


@pytest.mark.parametrize(("argument", "says"), WRONG)
def test_a_wrong_value_is_named_with_its_flag_and_what_is_allowed(argument: str, says: str) -> None:
    flag, _, value = argument.partition("=")
    with pytest.raises(ValueError, match=says) as problem:
        read_flags([argument])
    assert str(problem.value).startswith(f"{flag} is {value[:60]!r}"[:60])
    assert len(str(problem.value)) < 700


def test_every_wrong_flag_is_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"(?s)^--prestop-delay.*\n--log-level") as problem:
        read_flags(["--prestop-delay=x", "--log-level=x"])
    assert len(str(problem.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--prestop-delay"], "--prestop-delay has no value: write --prestop-delay=VALUE"),
        (
            ["--enable-jaeger-tracing", "--enable-xray-tracing=true", "--enable-datadog-tracing=false"],
            (
                "--enable-jaeger-tracing --enable-xray-tracing: Envoy only supports a single tracer instance. "
                "Please choose between Jaeger, Datadog or X-Ray."
            ),
        ),
        (
            ["--sidecar-cpu-requests=1", "--sidecar-cpu-limits=999m"],
            "--sidecar-cpu-requests is '1': it must not be more than --sidecar-cpu-limits, which is '999m'",
        ),
        (
            ["--sidecar-memory-limits=1Mi"],
            "--sidecar-memory-requests is '32Mi': it must not be more than --sidecar-memory-limits, which is '1Mi'",
        ),
    ],
)
def test_what_cannot_be_together(arguments: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(says)}$"):
        MeshSettings.from_environment({}, None, arguments)


def remarked(*arguments: str) -> dict[str, str]:
    return dict(MeshSettings.from_environment({}, None, arguments).remarks)


@pytest.mark.parametrize("flag", [flag for flag in IGNORED if not flag.of], ids=lambda flag: flag.name)
def test_a_flag_without_effect_is_told_unless_it_asks_for_nothing(flag: Any) -> None:
    other = {"true": "false", "false": "true"}.get(flag.original, "9")
    assert remarked(f"--{flag.name}={other}") == {f"--{flag.name}": f"has no effect: {flag.reason}"}
    assert remarked(f"--{flag.name}={flag.original}") == {}
    assert remarked(f"--{flag.name}=") == {}


@pytest.mark.parametrize("flag", [flag for flag in IGNORED if flag.of], ids=lambda flag: flag.name)
def test_a_flag_that_means_something_with_another_only_is_told_with_it(flag: Any) -> None:
    assert flag.of in SWITCHES
    assert remarked(f"--{flag.name}=9") == {}
    assert list(remarked(f"--{flag.name}=9", f"--{flag.of}")) == [f"--{flag.of}"]


def test_what_counts_as_something_else_is_told() -> None:
    assert remarked("--tls-min-version=VersionTLS10") == {
        "--tls-min-version": "counts as VersionTLS12: nothing older is served"
    }
    suites = "TLS_RSA_WITH_RC4_128_SHA,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_AES_128_GCM_SHA256"
    assert remarked(f"--tls-cipher-suite={suites}") == {
        "--tls-cipher-suite": "without TLS_RSA_WITH_RC4_128_SHA: they have no forward secrecy, or are broken"
    }


def test_credentials_are_never_shown() -> None:
    found = remarked("--envoy-aws-secret-access-key=hunter2", "--envoy-aws-session-token", "hunter2")
    assert len(found) == 2
    assert "hunter2" not in str(found)


def test_the_charts_flags_are_all_known_and_two_images_of_aws_are_all_that_is_said() -> None:
    settings = MeshSettings.from_environment({}, None, ["/controller", *OF_CHART])
    assert settings.unknown_flags == ()
    assert [remark.flag for remark in settings.remarks] == ["--sidecar-image-repository", "--init-image"]
    plain = MeshSettings.from_environment({}, None)
    assert (settings.sidecar.proxy_image, settings.sidecar.init_image) == (
        plain.sidecar.proxy_image,
        plain.sidecar.init_image,
    )


def test_every_flag_is_on_the_page_once() -> None:
    page = mesh_settings_page()
    assert len({flag.name for flag in (*FLAGS, *IGNORED)}) == len(FLAGS) + len(IGNORED)
    assert [name for name in (*BY_NAME, *IGNORED_BY_NAME) if page.count(f"| `--{name}` |") != 1] == []


@given(st.lists(st.sampled_from([f"--{flag.name}" for flag in FLAGS]) | st.text(max_size=20), max_size=8))
def test_any_arguments_are_settings_or_a_reason(arguments: list[str]) -> None:
    problem = ""
    try:
        MeshSettings.from_environment({}, None, arguments).webhook_tls.server_context()
    except ValueError as error:
        problem = str(error)
    assert not problem or all(line.startswith("--") for line in problem.splitlines())
