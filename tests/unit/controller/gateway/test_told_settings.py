"""Which settings the controller compiles by while proxies with settings of their own come and go."""

import logging
from collections.abc import Mapping

import pytest

from crossfade.compile.gateway.settings import CompileSettings
from crossfade.controller.gateway.told_settings import ToldSettings
from crossfade.kong_conf.settings import KongSettings
from crossfade.kong_conf.told import LARGEST_BYTES
from crossfade.xds.publisher import PeerRefusedError, Publisher, Subscription


class Lab:
    def __init__(self, *names: str) -> None:
        self.changes: list[KongSettings] = []
        self.told = ToldSettings(CompileSettings(), frozenset(names), on_changed=self._note)
        self.publisher = Publisher(peers=self.told)

    def comes(self, texts: Mapping[str, str]) -> Subscription:
        subscription = self.publisher.connect("gateway")
        try:
            subscription.introduce("ns/pod", texts)
        except PeerRefusedError:
            subscription.close()
            raise
        return subscription

    def _note(self) -> None:
        self.changes.append(self.told.settings.kong)


def test_a_change_is_told_once_and_stays_when_the_proxy_leaves() -> None:
    lab = Lab()
    first = lab.comes({"trusted_ips": "10.0.0.0/8"})
    first.close()
    lab.comes({"trusted_ips": "10.0.0.0/8"})
    assert lab.changes == [KongSettings(trusted_ips=("10.0.0.0/8",))]


def test_of_two_proxies_the_first_counts_until_it_leaves(caplog: pytest.LogCaptureFixture) -> None:
    lab = Lab()
    with caplog.at_level(logging.WARNING):
        first = lab.comes({"headers": "off"})
        for _ in range(3):
            lab.comes({"headers": "Via"}).close()
        lab.comes({"headers": "Via"})
    assert [record.getMessage() for record in caplog.records] == ["settings.told"]
    assert [change.headers for change in lab.changes] == [()]
    first.close()
    assert [change.headers for change in lab.changes] == [(), ("Via",)]


def test_a_tls_listener_that_only_the_proxy_has_gets_a_certificate() -> None:
    lab = Lab()
    lab.comes({"proxy_listen": "0.0.0.0:9443 ssl"})
    assert lab.told.settings.default_certificate is not None


@pytest.mark.parametrize(
    "texts",
    [
        {"trusted_ips": "everyone"},
        {"proxy_listen": "off"},
        {"proxy_listen": "0.0.0.0:1", "stream_listen": "0.0.0.0:1"},
        {"error_template_html": "x" * LARGEST_BYTES},
    ],
)
def test_unusable_settings_refuse_the_proxy_and_change_nothing(texts: dict[str, str]) -> None:
    lab = Lab()
    with pytest.raises(PeerRefusedError):
        lab.comes(texts)
    assert lab.changes == []


def test_the_controllers_own_names_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    lab = Lab("headers")
    with caplog.at_level(logging.WARNING):
        lab.comes({"headers": "off"})
        lab.comes({"headers": "off"})
    assert lab.changes == []
    assert len(caplog.records) == 1
