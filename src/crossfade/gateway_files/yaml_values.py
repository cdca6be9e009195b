"""YAML as the tools of Kubernetes read it, quick for the many small texts of mappings, lists and scalars alone."""

from typing import Any, ClassVar, Final

import yaml

from crossfade_kube import yaml_texts

_TEXT: Final = "tag:yaml.org,2002:str"
# Dates, and `=`, which PyYAML cannot make a value of.
_TEXTS_TOO: Final = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")
_MAPPING: Final = "tag:yaml.org,2002:map"
_LIST: Final = "tag:yaml.org,2002:seq"
# Anchors, aliases, tags and merge keys; mostly these characters mean something else, which costs only time.
_NOT_PLAIN: Final = ("&", "*", "!", "<<")
_MOST_TAGS: Final = 4096


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # chosen when PyYAML was built
    """As the tools of Kubernetes: a date is a text."""


class PatientLoader(yaml.SafeLoader):
    """Takes surrogates that are escaped, as JSON writes what is beyond 16 bits."""


class _PlainLoader(_Loader):
    """For texts without aliases and the like, which PyYAML's constructor spends most of its time on."""

    _tags: ClassVar[dict[str, str]] = {}
    """Of scalars without quotes, which are mostly the same few."""

    def resolve(self, kind: type[yaml.Node], value: str, implicit: tuple[bool, bool]) -> str:
        if kind is not yaml.ScalarNode or not implicit[0]:
            return str(super().resolve(kind, value, implicit))
        tag = self._tags.get(value)
        if tag is None:
            tag = str(super().resolve(kind, value, implicit))
            if len(self._tags) < _MOST_TAGS:
                self._tags[value] = tag
        return tag

    def construct_document(self, node: yaml.Node) -> Any:
        if node.tag == _TEXT:
            return node.value
        if node.tag == _MAPPING:
            made = self.construct_document
            return {made(key): made(value) for key, value in node.value}
        if node.tag == _LIST:
            return [self.construct_document(item) for item in node.value]
        return self.construct_object(node)


for _each in (_Loader, _PlainLoader, PatientLoader):
    _each.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _TEXTS_TOO]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def values(text: str) -> list[Any]:
    """One for each document of the text. Raises yaml.YAMLError, and what Python says of numbers that cannot be made."""
    yaml_texts.check_depth(text, _Loader)
    if not any(mark in text for mark in _NOT_PLAIN):
        try:
            return list(yaml.load_all(text, _PlainLoader))
        except (TypeError, RecursionError):
            # A list as a key, of which the other loader tells the place; or very deep.
            pass
    return list(yaml.load_all(text, _Loader))
