"""Files that settings name are read once, and what is wrong with them is told without what stands in them."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crossfade.certs.ca import create_authority
from crossfade.certs.default_certificate import client_certificate, default_certificate
from crossfade.certs.issuer import issue_server_certificate
from crossfade.kong_conf.files import with_files_read
from crossfade.kong_conf.listen import Listen
from crossfade.kong_conf.settings import KongSettings


def pair() -> tuple[str, str]:
    now = datetime.now(UTC)
    made = issue_server_certificate(create_authority("test", now=now), ("shop.test",), now=now)
    return made.certificate_pem.decode(), made.key_pem.decode()


def test_templates_are_read(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<b>%s</b>")
    assert with_files_read(KongSettings(error_template_html=str(page))).error_template_html == "<b>%s</b>"


@pytest.mark.parametrize("form", ["file", "pem", "base64"])
def test_a_certificate_is_given_in_three_ways(form: str, tmp_path: Path) -> None:
    texts = pair()
    given = list(texts)
    if form == "file":
        for name, text in zip(("crt", "key"), texts, strict=True):
            (tmp_path / name).write_text(text)
        given = [str(tmp_path / "crt"), str(tmp_path / "key")]
    elif form == "base64":
        given = [base64.b64encode(text.encode()).decode() for text in texts]
    read = with_files_read(KongSettings(ssl_cert=given[0], ssl_cert_key=given[1]))
    assert (read.ssl_cert, read.ssl_cert_key) == texts
    certificate = default_certificate(read)
    assert certificate is not None
    assert (certificate.chain_pem, certificate.key_pem) == texts


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (KongSettings(error_template_xml="/nowhere"), "error_template_xml: /nowhere cannot be read: No such file"),
        (KongSettings(ssl_cert="/nowhere"), "ssl_cert and ssl_cert_key must be set together"),
        (KongSettings(client_ssl_cert_key="x"), "client_ssl_cert and client_ssl_cert_key must be set together"),
        (KongSettings(ssl_cert="c2VjcmV0", ssl_cert_key="x"), "ssl_cert is neither PEM, nor PEM in base64, nor a path"),
    ],
)
def test_what_cannot_be_read(settings: KongSettings, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        with_files_read(settings)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"error_template_json: .* is not UTF-8 text"):
        with_files_read(KongSettings(error_template_json=str(tmp_path / "x")))


def test_keys_of_others_are_refused() -> None:
    (chain, _), (_, key) = pair(), pair()
    with pytest.raises(ValueError, match=r"ssl_cert and ssl_cert_key: tls\.key does not belong to tls\.crt"):
        default_certificate(KongSettings(ssl_cert=chain, ssl_cert_key=key))


def test_services_are_shown_the_certificate_of_the_settings() -> None:
    (chain, key), (_, other) = pair(), pair()
    assert client_certificate(KongSettings(client_ssl=True)) is None
    found = client_certificate(KongSettings(client_ssl_cert=chain, client_ssl_cert_key=key))
    assert found is not None
    assert (found.chain_pem, found.key_pem) == (chain, key)
    with pytest.raises(ValueError, match=r"client_ssl_cert and client_ssl_cert_key: tls\.key does not belong"):
        client_certificate(KongSettings(client_ssl_cert=chain, client_ssl_cert_key=other))


def test_nothing_is_shown_where_nothing_listens_with_tls() -> None:
    assert default_certificate(KongSettings(proxy_listen=(Listen("127.0.0.1", 8000),))) is None
