"""Formats that Envoy takes and those that it refuses; Envoy itself is asked about both."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from crossfade.api.bounds import Misfit
from crossfade.compile.log_format import log_format
from crossfade.compile.model import AccessLog, HttpHandler, ProxyModel
from crossfade.compile.routing.matches import RouteMatch
from crossfade.envoy.settings import EnvoyOptions
from tests.support.envoy_batch import refusals
from tests.support.models import answer, proxy_model

GOOD: Final = (
    "",
    "100%%",
    "[%START_TIME%] %REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\n",
    "%START_TIME(%s.%3f)%",
    "%REQ(a):3%%RESP(a%b)%",
    "%FILTER_STATE(a:FIELD:x)%",
    "%PATH(WQ:ORIG):20%",
    "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "%PROTOCOL()%",
    "\x00é",
)
BAD: Final = (
    "%FOO%",
    "100%",
    "%REQ%",
    "%REQ(a?b?c)%",
    "%REQ(a b)%",
    "%REQ(a):18446744073709551616%",
    "%req(a)%",
    "%PROTOCOL(x)%",
    "%PROTOCOL:3%",
    "%START_TIME():3%",
    "%START_TIME(a\nb)%",
    "%FILTER_STATE(a:b)%",
    "%PATH(ORIG)%",
    "%QUERY_PARAMS(RAW)%",
    "%DYNAMIC_METADATA%",
    "%CLUSTER_METADATA(a):3%",
)
PIECES: Final = st.sampled_from(
    ["%", "%%", "REQ", "(", ")", ":", "3", "?", "a", "PROTOCOL", "START_TIME", "PATH", "WQ", " ", "%REQ(a)%", "\n"]
)


def with_format(log: AccessLog) -> ProxyModel:
    model = proxy_model(answer("ok", RouteMatch()))
    (listener,) = model.listeners
    (chain,) = listener.chains
    assert isinstance(chain.handler, HttpHandler)
    handler = structs.replace(chain.handler, access_log=log)
    changed = structs.replace(listener, chains=(structs.replace(chain, handler=handler),))
    return structs.replace(model, listeners=(changed,))


@pytest.mark.parametrize("text", GOOD)
def test_good_formats(text: str) -> None:
    assert log_format(text) == text


@pytest.mark.parametrize("text", BAD)
def test_bad_formats(text: str) -> None:
    assert isinstance(log_format(text), Misfit)


@pytest.mark.envoy
def test_envoy_agrees(tmp_path: Path) -> None:
    generated: list[str] = []

    @settings(max_examples=300, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(PIECES, max_size=8).map("".join))
    def collect(text: str) -> None:
        if not isinstance(log_format(text), Misfit):
            generated.append(text)

    collect()
    good = [*GOOD, *sorted(set(generated))]
    models = [with_format(AccessLog("/dev/stdout", text)) for text in good]
    models += [with_format(AccessLog("/dev/stdout", json=((text, text),))) for text in good]
    assert refusals(models, EnvoyOptions(), workdir=tmp_path) == {}
    for text in BAD:
        model = with_format(AccessLog("/dev/stdout", text))
        assert refusals([model], EnvoyOptions(), workdir=tmp_path), f"Envoy takes {text!r}"
