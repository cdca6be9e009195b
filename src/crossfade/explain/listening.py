"""Which chain of a listener takes a connection, as Envoy picks one."""

from crossfade.compile.model import FilterChain, Listener


def picked_chain(listener: Listener, server_name: str) -> FilterChain | None:
    """That of the name itself, of a wildcard for one label, of the longest for any number, or the rest's."""
    by_name = {name: chain for chain in listener.chains for name in chain.server_names}
    of_one_label = {name: chain for chain in listener.chains for name in chain.one_label_names}
    others = (chain for chain in listener.chains if not chain.server_names and not chain.one_label_names)
    wildcards = _wildcards(server_name)
    fitting = (by_name.get(server_name), *map(of_one_label.get, wildcards[:1]), *map(by_name.get, wildcards))
    return next((chain for chain in fitting if chain is not None), next(others, None))


def _wildcards(name: str) -> list[str]:
    labels = name.split(".")
    return [f"*.{'.'.join(labels[start:])}" for start in range(1, len(labels))]
