"""Which chain of a listener takes a connection, as Envoy picks one."""

from crossfade.compile.model import FilterChain, Listener


def picked_chain(listener: Listener, server_name: str) -> FilterChain | None:
    """That of the name itself, then of the longest wildcard, then the one for all others."""
    names = [server_name, *_wildcards(server_name)] if server_name else []
    by_name = {name: chain for chain in listener.chains for name in chain.server_names}
    others = (chain for chain in listener.chains if not chain.server_names)
    return next((by_name[name] for name in names if name in by_name), next(others, None))


def _wildcards(name: str) -> list[str]:
    labels = name.split(".")
    return [f"*.{'.'.join(labels[start:])}" for start in range(1, len(labels))]
