"""What people are told of proxies that are not there, do not answer or do not count."""

import argparse
from contextlib import aclosing

import pytest

from crossfade.cli import proxies
from crossfade.cli.proxies import NoProxies, Source, misused, samples, tell_failed
from crossfade.observe.targets import Target


def arguments(**given: object) -> argparse.Namespace:
    usual = {"status": None, "namespace": None, "all_namespaces": False, "kubeconfig": None}
    return argparse.Namespace(**(usual | {"total": True, "window": 1.0} | given))


def source(*targets: Target) -> Source:
    async def listed() -> tuple[Target, ...]:
        return targets

    async def page(_: Target) -> bytes:
        return b""

    return Source(listed, page)


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("namespace prod", "no gateway and no sidecar in namespace prod\nhint: -n names another"),
        ("", "no gateway and no sidecar in any namespace$"),
    ],
)
async def test_without_proxies_it_says_where_to_look(where: str, told: str) -> None:
    async with aclosing(samples(source()._replace(where=where), arguments())) as found:
        with pytest.raises(NoProxies, match=told):
            await anext(found)


async def test_proxies_that_do_not_count_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    silent = [Target("sidecar", f"prod/{name}", does_not_count=True) for name in "edcba"]
    async with aclosing(samples(source(*silent, Target("sidecar", "prod/z")), arguments())) as found:
        assert len((await anext(found)).pages) == 6
    told = capsys.readouterr().err
    assert told.startswith("prod/a, prod/b, prod/c and 2 more do not count requests: CROSSFADE_MESH_METRICS=off")


def test_those_that_fail_alike_stand_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell_failed("top", {"prod/b": "it has gone", "prod/a": "it has gone", "prod/c": "\x1b[2Jit\nis\u202e strange"})
    assert capsys.readouterr().err == (
        "crossfade top: prod/a, prod/b: it has gone\ncrossfade top: prod/c: \\x1b[2Jit\nis\\u202e strange\n"
    )


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10), ("500ms", 0.5), ("1m", 60), ("1.5m", 90), ("24h", 86_400)])
def test_windows_have_units(text: str, seconds: float) -> None:
    assert proxies.time_option(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "0s", "499ms", "25h", "-1s", "1e3s", "٣s", "999999h"])
def test_other_windows_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        proxies.time_option(text)


def test_options_that_speak_against_each_other_are_refused() -> None:
    assert misused(arguments()) is None
    assert "--status" in (misused(arguments(status=["u"], namespace="prod")) or "")
    assert "--watch" in (misused(arguments(watch=True)) or "")
