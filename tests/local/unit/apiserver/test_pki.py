"""The cluster's keys: made once, kept, renewed in time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from crossfade_local.apiserver.security import pki

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    pki.ensure(tmp_path, now=NOW)
    first = contents(tmp_path)
    assert {"ca.crt", "ca.key", "server.crt", "server.key", "admin.crt", "service-account.key"} <= first.keys()
    pki.ensure(tmp_path, now=NOW + timedelta(days=3600))
    assert contents(tmp_path) == first


def test_what_ends_soon_is_renewed_under_the_same_authority(tmp_path: Path) -> None:
    pki.ensure(tmp_path, now=NOW)
    first = contents(tmp_path)
    pki.ensure(tmp_path, now=NOW + timedelta(days=3630))
    second = contents(tmp_path)
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {f"{name}.{kind}" for name in ("server", *pki.CLIENTS) for kind in ("crt", "key")}


def test_a_client_is_known_by_name_and_groups(tmp_path: Path) -> None:
    made = pki.ensure(tmp_path, now=NOW)
    certificate = x509.load_pem_x509_certificate((tmp_path / "node.crt").read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(made.ca_certificate.read_bytes()))
    assert certificate.subject.rfc4514_string() == "CN=system:node:crossfade,O=system:masters,O=system:nodes"


def test_keys_are_the_owners_only(tmp_path: Path) -> None:
    pki.ensure(tmp_path, now=NOW)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.glob("*.key")} == {0o600}


def test_what_people_have_changed_in_a_kubeconfig_that_leads_here_is_kept(tmp_path: Path) -> None:
    made = pki.ensure(tmp_path, now=NOW)
    file = tmp_path / "kubeconfig"
    pki.write_kubeconfig(file, made, server="https://127.0.0.1:6443")
    with_namespace = file.read_text().replace("    user: admin\n", "    namespace: prod\n    user: admin\n")
    file.write_text(with_namespace)
    pki.write_kubeconfig(file, made, server="https://127.0.0.1:6443")
    assert file.read_text() == with_namespace
    pki.write_kubeconfig(file, made, server="https://127.0.0.1:6444")
    assert "https://127.0.0.1:6444" in file.read_text()


def test_a_kubeconfig_that_leads_elsewhere_is_written_anew(tmp_path: Path) -> None:
    made = pki.ensure(tmp_path, now=NOW)
    file = tmp_path / "kubeconfig"
    pki.write_kubeconfig(file, made, server="https://127.0.0.1:6443")
    good = file.read_text()
    for spoilt in (
        "",
        good.replace("current-context: crossfade", "current-context: other"),
        good.replace("LS0t", "LS0u"),
    ):
        file.write_text(spoilt)
        pki.write_kubeconfig(file, made, server="https://127.0.0.1:6443")
        assert file.read_text() == good
