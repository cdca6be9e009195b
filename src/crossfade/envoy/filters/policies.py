"""The policy module: a chain per route (a change reaches the next request, no listener drains) and one shared table.

The module's library must stay loaded while nothing refers to it, else its counters go; hence `do_not_close`.
"""

from crossfade.envoy import names
from crossfade.envoy.proto import (
    Any,
    StringValue,
    core_v3,
    dynamic_module_early_v3,
    dynamic_module_filter_v3,
    dynamic_modules_v3,
    filter_chain_v3,
    hcm_v3,
    packed,
)
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.sources import ads


def policy_chain_filter() -> hcm_v3.HttpFilter:
    """Does nothing by itself: routes bring their own chain."""
    return hcm_v3.HttpFilter(name=names.POLICY_CHAIN_FILTER, typed_config=packed(filter_chain_v3.FilterChainConfig()))


def consumers_filter() -> hcm_v3.HttpFilter:
    """Disabled, so no request passes it: loading its configuration is what fills the module's table."""
    module_type = dynamic_module_filter_v3.DynamicModuleFilter.DESCRIPTOR.full_name
    discovery = core_v3.ExtensionConfigSource(config_source=ads(), type_urls=[f"type.googleapis.com/{module_type}"])
    return hcm_v3.HttpFilter(name=names.CONSUMERS_FILTER, config_discovery=discovery, disabled=True)


def consumers_config(table: bytes, options: EnvoyOptions) -> core_v3.TypedExtensionConfig:
    """The resource that `consumers_filter` asks for."""
    return core_v3.TypedExtensionConfig(
        name=names.CONSUMERS_FILTER, typed_config=packed(_module_filter(names.CONSUMERS_FILTER, table, options))
    )


def incoming_mutation(options: EnvoyOptions) -> core_v3.TypedExtensionConfig:
    """Runs before the route is chosen, for which the filters of a route come too late."""
    message = dynamic_module_early_v3.DynamicModuleEarlyHeaderMutation(
        early_header_mutation_name=names.INCOMING_MUTATION, dynamic_module_config=_module(options)
    )
    return core_v3.TypedExtensionConfig(name=names.INCOMING_MUTATION, typed_config=packed(message))


def route_policy(policy: bytes, options: EnvoyOptions) -> Any:
    """A route's own configuration of the filter `names.POLICY_CHAIN_FILTER`."""
    module = core_v3.TypedExtensionConfig(
        name=names.POLICY_FILTER, typed_config=packed(_module_filter(names.POLICY_FILTER, policy, options))
    )
    return packed(filter_chain_v3.FilterChainConfigPerRoute(filter_chain=filter_chain_v3.FilterChain(filters=[module])))


def _module_filter(name: str, config: bytes, options: EnvoyOptions) -> dynamic_module_filter_v3.DynamicModuleFilter:
    return dynamic_module_filter_v3.DynamicModuleFilter(
        filter_name=name,
        filter_config=packed(StringValue(value=config.decode())),
        dynamic_module_config=_module(options),
    )


def _module(options: EnvoyOptions) -> dynamic_modules_v3.DynamicModuleConfig:
    module = dynamic_modules_v3.DynamicModuleConfig(do_not_close=True)
    if options.policy_library is None:
        module.name = names.POLICY_MODULE
    else:
        module.module.local.filename = str(options.policy_library)
    return module
