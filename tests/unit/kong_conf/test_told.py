"""What a proxy tells the controller of its settings, and what the controller makes of it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.kong_conf.listen import Listen
from crossfade.kong_conf.reading import Reading, read_settings
from crossfade.kong_conf.settings import KongSettings
from crossfade.kong_conf.sources import from_environment
from crossfade.kong_conf.table import TABLE
from crossfade.kong_conf.told import LARGEST_BYTES, merged, read_told, told_settings

NONE: frozenset[str] = frozenset()


def reading(**variables: str) -> Reading:
    return read_settings([from_environment({f"KONG_{name.upper()}": text for name, text in variables.items()})])


def test_known_settings_are_told_under_their_own_names() -> None:
    told = told_settings(reading(client_max_body_size="8m", trusted_ips="10.0.0.0/8", nonsense="1", database="off"))
    assert told == ({"nginx_http_client_max_body_size": "8m", "trusted_ips": "10.0.0.0/8"}, ())


@pytest.mark.parametrize("name", ["nginx_worker_processes", "log_level"])
def test_what_the_proxy_carries_out_itself_is_not_told(name: str) -> None:
    assert told_settings(reading(**{name: "1" if "worker" in name else "debug"})) == ({}, ())


@pytest.mark.parametrize("name", ["ssl_cert", "vault_env_prefix", *(one.name for one in TABLE if one.is_secret)])
def test_secrets_and_what_is_the_controllers_own_are_not_told(name: str) -> None:
    told = told_settings(reading(**{name: "sesame"}))
    assert told.texts == {}
    (remark,) = told.remarks
    assert "set it on the container ingress-controller" in remark.text
    assert "sesame" not in str(remark)
    assert read_told({name: "sesame"}).given == {}


def test_a_template_is_told_as_its_text(tmp_path: Path) -> None:
    file = tmp_path / "page"
    file.write_text("<p>%s</p>")
    assert told_settings(reading(error_template_html=str(file))).texts == {"error_template_html": "<p>%s</p>"}
    with pytest.raises(ValueError, match="error_template_html: /nowhere cannot be read"):
        told_settings(reading(error_template_html="/nowhere"))
    file.write_text("x" * LARGEST_BYTES)
    with pytest.raises(ValueError, match="can be told"):
        told_settings(reading(error_template_html=str(file)))


def test_the_controllers_own_settings_count_and_differences_are_remarked() -> None:
    own = KongSettings(trusted_ips=("10.0.0.0/8",), real_ip_header="X-Client")
    told = read_told({"trusted_ips": "0.0.0.0/0", "real_ip_header": "X-Client", "real_ip_recursive": "on"})
    settings, remarks = merged(own, frozenset({"trusted_ips", "real_ip_header"}), told)
    assert settings == own._replace(real_ip_recursive=True)
    assert [remark.where for remark in remarks] == ["KONG_TRUSTED_IPS of the container proxy"]


def test_what_makes_no_sense_together_is_refused() -> None:
    own = KongSettings(stream_listen=(Listen("0.0.0.0", 9000),))
    with pytest.raises(ValueError, match=r"0\.0\.0\.0:9000, which proxy_listen takes"):
        merged(own, frozenset({"stream_listen"}), read_told({"proxy_listen": "127.0.0.1:9000"}))


@given(st.dictionaries(st.sampled_from([one.name for one in TABLE]) | st.text(max_size=8), st.text(max_size=40)))
def test_whatever_a_proxy_tells_is_read_or_refused(texts: dict[str, str]) -> None:
    found = read_told(texts)
    if not found.errors:
        merged(KongSettings(), NONE, found)
