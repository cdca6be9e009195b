"""The server names of a listener's chains → the matcher by which Envoy picks one.

Envoy's own `server_names` of a chain know wildcards for any number of labels only, and a chain whose names change is
another chain, whose connections end. A matcher stands beside the chains.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from crossfade.compile.model import FilterChain
from crossfade.envoy.proto import StringValue, network_inputs_v3, packed, xds_core_v3, xds_matcher_v3

# As many names of 253 bytes are far from what a regex may hold.
_NAMES_OF_A_REGEX: Final = 32
_ACTION: Final = "filter-chain-name"


def matcher_of_names(chains: Sequence[FilterChain]) -> xds_matcher_v3.Matcher | None:
    """None where no chain has names. Of several that fit the exact one counts, then one label, then the longest suffix.

    Names must stand at one chain only. What fits none is for the listener's default chain.
    """
    by_name = {name: chain.name for chain in chains for name in chain.server_names}
    exact = {name: chain for name, chain in by_name.items() if not name.startswith("*.")}
    suffixes = {name.removeprefix("*"): chain for name, chain in by_name.items() if name.startswith("*.")}
    wild = xds_matcher_v3.Matcher()
    wild.matcher_list.matchers.extend((*_of_one_label(chains), *_of_suffixes(suffixes)))
    has_wild = bool(wild.matcher_list.matchers)
    if not exact:
        return wild if has_wild else None
    message = xds_matcher_v3.Matcher()
    message.matcher_tree.input.CopyFrom(_input())
    for name, chain in sorted(exact.items()):
        message.matcher_tree.exact_match_map.map[name].CopyFrom(_chosen(chain))
    if has_wild:
        message.on_no_match.matcher.CopyFrom(wild)
    return message


def _of_one_label(chains: Sequence[FilterChain]) -> Iterator[xds_matcher_v3.Matcher.MatcherList.FieldMatcher]:
    for chain in chains:
        names = sorted(chain.one_label_names)
        for start in range(0, len(names), _NAMES_OF_A_REGEX):
            rests = (re.escape(name.removeprefix("*.")) for name in names[start : start + _NAMES_OF_A_REGEX])
            fits = xds_matcher_v3.StringMatcher()
            fits.safe_regex.google_re2.SetInParent()
            fits.safe_regex.regex = rf"[^.]+\.(?:{'|'.join(rests)})"
            yield _field(fits, chain.name)


def _of_suffixes(suffixes: Mapping[str, str]) -> Iterator[xds_matcher_v3.Matcher.MatcherList.FieldMatcher]:
    for suffix in sorted(suffixes, key=lambda one: (-len(one), one)):
        yield _field(xds_matcher_v3.StringMatcher(suffix=suffix), suffixes[suffix])


def _field(fits: xds_matcher_v3.StringMatcher, chain: str) -> xds_matcher_v3.Matcher.MatcherList.FieldMatcher:
    message = xds_matcher_v3.Matcher.MatcherList.FieldMatcher(on_match=_chosen(chain))
    message.predicate.single_predicate.input.CopyFrom(_input())
    message.predicate.single_predicate.value_match.CopyFrom(fits)
    return message


def _input() -> xds_core_v3.TypedExtensionConfig:
    return xds_core_v3.TypedExtensionConfig(
        name="server name", typed_config=packed(network_inputs_v3.ServerNameInput())
    )


def _chosen(chain: str) -> xds_matcher_v3.Matcher.OnMatch:
    action = xds_core_v3.TypedExtensionConfig(name=_ACTION, typed_config=packed(StringValue(value=chain)))
    return xds_matcher_v3.Matcher.OnMatch(action=action)
