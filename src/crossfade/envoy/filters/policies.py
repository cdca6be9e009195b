"""The policy module: what chooses the route, what carries it out, and the tables by which both decide.

The module's library must stay loaded while nothing refers to it, else its counters go; hence `do_not_close`.
"""

import json

from google.protobuf.message import Message
from msgspec.structs import asdict

from crossfade.compile.model import SessionNames
from crossfade.envoy import names
from crossfade.envoy.proto import (
    StringValue,
    accesslog_v3,
    core_v3,
    dynamic_log_v3,
    dynamic_module_early_v3,
    dynamic_module_filter_v3,
    dynamic_module_input_v3,
    dynamic_module_specifier_v3,
    dynamic_modules_v3,
    hcm_v3,
    packed,
    route_v3,
    tls_v3,
    xds_core_v3,
)
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.sources import ads


def gateway_filter(options: EnvoyOptions) -> hcm_v3.HttpFilter:
    """The same for every request; what differs stands in the tables."""
    return hcm_v3.HttpFilter(
        name=names.POLICY_FILTER, typed_config=packed(_module_filter(names.POLICY_FILTER, StringValue(), options))
    )


def table_filter(name: str) -> hcm_v3.HttpFilter:
    """No request passes it: loading its configuration, which comes apart, is what fills the module's tables."""
    module_type = dynamic_module_filter_v3.DynamicModuleFilter.DESCRIPTOR.full_name
    discovery = core_v3.ExtensionConfigSource(
        config_source=ads(waits_for_ever=True), type_urls=[f"type.googleapis.com/{module_type}"]
    )
    return hcm_v3.HttpFilter(name=name, config_discovery=discovery)


def table_config(name: str, kind: str, content: str, options: EnvoyOptions) -> core_v3.TypedExtensionConfig:
    """The resource that `table_filter` asks for; `kind` is the module's name for it (`root`, `shard`).

    Tables hold what callers prove themselves with. Envoy shows `[redacted]` in place of a secret's content wherever it
    prints its configuration, and gives the module the message as it was sent.
    """
    config = tls_v3.GenericSecret(secret=core_v3.DataSource(inline_string=content))
    return core_v3.TypedExtensionConfig(name=name, typed_config=packed(_module_filter(kind, config, options)))


def cached_filter(token: str, options: EnvoyOptions) -> hcm_v3.HttpFilter:
    """Answers every request, from what proxy-cache keeps."""
    config = tls_v3.GenericSecret(secret=core_v3.DataSource(inline_string=json.dumps({"token": token})))
    return hcm_v3.HttpFilter(
        name=names.CACHED_FILTER, typed_config=packed(_module_filter(names.CACHED_FILTER, config, options))
    )


def metrics_filter(admin_port: int, options: EnvoyOptions) -> hcm_v3.HttpFilter:
    """Answers every request, from what the module has counted and what it finds at the admin port."""
    config = StringValue(value=json.dumps({"admin_port": admin_port}))
    return hcm_v3.HttpFilter(
        name=names.METRICS_FILTER, typed_config=packed(_module_filter(names.METRICS_FILTER, config, options))
    )


def session_log(counted_as: SessionNames, options: EnvoyOptions) -> accesslog_v3.AccessLog:
    """Tells the module of each session that has ended. It is there whether or not a plugin counts them: one that comes
    or goes leaves the listener alone, and with it its connections.
    """
    message = dynamic_log_v3.DynamicModuleAccessLog(
        logger_name=names.SESSION_LOG,
        logger_config=packed(StringValue(value=json.dumps(asdict(counted_as)))),
        dynamic_module_config=_module(options),
    )
    return accesslog_v3.AccessLog(name=names.MODULE_ACCESS_LOG, typed_config=packed(message))


def incoming_mutation(scheme: str, port: int, options: EnvoyOptions) -> core_v3.TypedExtensionConfig:
    """Chooses the route, before Envoy looks for one. Scheme and port are the listener's, whatever a client says."""
    listener = json.dumps({"scheme": scheme, "port": port})
    message = dynamic_module_early_v3.DynamicModuleEarlyHeaderMutation(
        early_header_mutation_name=names.INCOMING_MUTATION,
        early_header_mutation_config=packed(StringValue(value=listener)),
        dynamic_module_config=_module(options),
    )
    return core_v3.TypedExtensionConfig(name=names.INCOMING_MUTATION, typed_config=packed(message))


def action_input(options: EnvoyOptions) -> xds_core_v3.TypedExtensionConfig:
    """Asks what `incoming_mutation` has chosen for the entry of a table, by its name."""
    message = dynamic_module_input_v3.DynamicModuleDataInput(
        input_name=names.ACTION_INPUT, dynamic_module_config=_module(options)
    )
    return xds_core_v3.TypedExtensionConfig(name=names.ACTION_INPUT, typed_config=packed(message))


def cluster_specifier(options: EnvoyOptions) -> route_v3.ClusterSpecifierPlugin:
    """Asks the same for the cluster."""
    message = dynamic_module_specifier_v3.DynamicModuleClusterSpecifier(
        specifier_name=names.CLUSTER_SPECIFIER, dynamic_module_config=_module(options)
    )
    extension = core_v3.TypedExtensionConfig(name=names.CLUSTER_SPECIFIER, typed_config=packed(message))
    return route_v3.ClusterSpecifierPlugin(extension=extension)


def _module_filter(name: str, config: Message, options: EnvoyOptions) -> dynamic_module_filter_v3.DynamicModuleFilter:
    return dynamic_module_filter_v3.DynamicModuleFilter(
        filter_name=name,
        filter_config=packed(config),
        dynamic_module_config=_module(options),
    )


def _module(options: EnvoyOptions) -> dynamic_modules_v3.DynamicModuleConfig:
    module = dynamic_modules_v3.DynamicModuleConfig(do_not_close=True)
    if options.policy_library is None:
        module.name = names.POLICY_MODULE
    else:
        module.module.local.filename = str(options.policy_library)
    return module
