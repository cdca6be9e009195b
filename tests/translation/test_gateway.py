"""Ingress and Kong manifests → the gateway's model and diagnostics; every folder of `cases/gateway` is one case."""

import random
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from msgspec.structs import replace

from crossfade.api.kong.credentials import credential_type
from crossfade.compile.gateway.compiler import INPUT_KINDS, CompiledGateway, compile_gateway
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.model import ProxyModel, ServerCertificate
from crossfade.kong_conf.listen import stream_listens
from crossfade.kong_conf.settings import KongSettings
from crossfade.store.snapshot import Snapshot
from crossfade_kube import yaml_texts
from crossfade_kube.core.secret import Secret
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.registry import decode_known, kinds_by_gvk
from tests.support.model_golden import assert_golden, dumped, dumped_diagnostics, plain

CASES = Path(__file__).parent / "cases" / "gateway"
NAMES = sorted(folder.name for folder in CASES.iterdir())
KINDS = kinds_by_gvk(INPUT_KINDS)


def documents(case: str) -> list[JsonObject]:
    return [document for document in yaml_texts.load_all((CASES / case / "in.yaml").read_text()) if document]


def settings(case: str) -> CompileSettings:
    """`settings.yaml`: fields of `CompileSettings`, `tls: true` for a TLS listener, Kong's `stream_listen`.

    The Secrets of `acme_secrets` are `namespace/name`.
    """
    path = CASES / case / "settings.yaml"
    given = yaml.safe_load(path.read_text()) if path.exists() else {}
    certificate = ServerCertificate("chain", "key") if given.pop("tls", False) else None
    kong = KongSettings(stream_listen=stream_listens(given.pop("stream_listen", "off")))
    secrets = (NamespacedName(*name.split("/")) for name in given.pop("acme_secrets", ()))
    given["acme_secrets"] = tuple(secrets)
    found = CompileSettings(kong=kong, salt=b"salt", default_certificate=certificate, authorities="/authorities.pem")
    return replace(found, **given)


def compiled(case: str, items: list[JsonObject]) -> CompiledGateway:
    objects = [found for item in items if (found := decode_known(item, KINDS)) is not None]
    return compile_gateway(Snapshot.of(objects), settings(case))


def described(model: ProxyModel) -> str:
    """Ranks, which are long texts, appear as the places that they give."""
    gateway = model.gateway
    assert gateway is not None
    ranks = sorted(path.rank for row in gateway.routes for path in row.value.match.paths)
    text: Any = plain(model)
    for row in text["gateway"].get("routes", ()):
        for path in row["value"]["match"]["paths"]:
            path["rank"] = ranks.index(path["rank"])
    return dumped(text)


@pytest.mark.parametrize("case", NAMES)
def test_manifests_compile_to_the_expected_model(case: str, update_golden: bool) -> None:
    model, diagnostics, _ = compiled(case, documents(case))
    assert_golden(described(model), CASES / case / "model.yaml", update=update_golden)
    assert_golden(dumped_diagnostics(tuple(diagnostics)), CASES / case / "diagnostics.yaml", update=update_golden)


@pytest.mark.parametrize("case", NAMES)
def test_the_order_of_documents_changes_nothing(case: str) -> None:
    items = documents(case)
    model, diagnostics, _ = compiled(case, items)
    for seed in range(3):
        shuffled = compiled(case, random.Random(seed).sample(items, len(items)))
        assert shuffled.model == model
        assert list(shuffled.diagnostics) == list(diagnostics)


@pytest.mark.parametrize("case", NAMES)
def test_no_secret_appears_in_clear(case: str) -> None:
    model, diagnostics, _ = compiled(case, documents(case))
    encoded, shown = msgspec.json.encode(model.gateway), repr(model) + str(list(diagnostics))
    for item in documents(case):
        found = decode_known(item, KINDS)
        for value in secrets_of(found) if isinstance(found, Secret) else ():
            assert value not in encoded or not credential_type(found.metadata.labels, found.data)
            assert value.decode() not in shown
            assert b64encode(value).decode() not in shown


def secrets_of(secret: Secret) -> Iterator[bytes]:
    """The `key` of a token is what it names itself by; a letter or two stand anywhere."""
    is_token = credential_type(secret.metadata.labels, secret.data) == "jwt"
    names = {"password", "secret"} if is_token else {"key", "password", "secret"}
    return (value for name, value in secret.data.items() if len(value) > 3 and name in names)


def test_every_case_is_complete() -> None:
    for folder in CASES.iterdir():
        files = {path.name for path in folder.iterdir()} - {"settings.yaml"}
        assert files == {"in.yaml", "model.yaml", "diagnostics.yaml"}
