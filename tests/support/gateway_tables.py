"""Compiled gateways in the policy module, without Envoy."""

import msgspec

from crossfade.certs.authorities import system_authorities
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.model import ProxyModel, ServerCertificate
from crossfade.compile.routing.tables import GatewayTables
from crossfade.envoy.shards import TableTexts
from crossfade.kong_conf.listen import stream_listens
from crossfade.kong_conf.settings import KongSettings
from crossfade.policy_module.library import Tables
from tests.support.hostile_secrets import good_pair


def gateway_of(model: ProxyModel) -> GatewayTables:
    assert model.gateway is not None
    return model.gateway


def tables_of(model: ProxyModel) -> Tables:
    """By the very texts that Envoy would be given."""
    *shards, root = [text.content for text in TableTexts().of(gateway_of(model))]
    settings = msgspec.json.decode(root)["settings"]
    return Tables(settings, [msgspec.json.decode(shard) for shard in shards])


def compile_settings() -> CompileSettings:
    """With a TLS listener, and ports for streams."""
    pair = good_pair()
    certificate = ServerCertificate(pair.certificate, pair.key)
    kong = KongSettings(stream_listen=stream_listens("0.0.0.0:9000, 0.0.0.0:9443 ssl, 0.0.0.0:9053 udp"))
    return CompileSettings(kong=kong, salt=b"salt", default_certificate=certificate, authorities=system_authorities())


def one_table(model: ProxyModel) -> Tables:
    """Quicker: all in one part."""
    gateway = gateway_of(model)
    rows = {
        "routes": gateway.routes,
        "instances": gateway.instances,
        "consumers": gateway.consumers,
        "consumer_groups": gateway.consumer_groups,
    }
    parts = {name: [row.value for row in found] for name, found in rows.items()}
    return Tables(msgspec.to_builtins(gateway.settings), [{"shard": 0, "version": "", **parts}])
