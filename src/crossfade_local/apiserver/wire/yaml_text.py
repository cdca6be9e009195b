"""YAML bodies to and from JSON values. Loaded with the first such body: most clients speak JSON."""

from typing import Any, Final

import orjson
import yaml

from crossfade_kube import yaml_texts
from crossfade_local.apiserver.values import gojson
from crossfade_local.apiserver.wire.status import StatusError, bad_request

_LARGEST: Final = 512 * 1024
"""Bytes: it takes as long as some MB of JSON, and no client of Kubernetes sends its objects like that."""
_LARGEST_BLOCK: Final = 128 * 1024
"""Bytes: some 30 milliseconds."""


class _Loader(yaml.CSafeLoader):
    """YAML to JSON values: dates stay text, and a number without a fraction is a whole one however it is written."""

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        value: float = self.construct_yaml_float(node)
        return int(value) if value.is_integer() else value


_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)

_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def parse(body: bytes) -> Any:
    """The value of a body; raises StatusError."""
    if len(body) > _LARGEST:
        said = f"Request entity too large: limit of YAML is {_LARGEST}: send the object as JSON"
        raise StatusError(413, "RequestEntityTooLarge", said)
    try:
        value = yaml_texts.load(body, _Loader)
        gojson.check_depth(value)
    except gojson.JsonError as error:
        raise bad_request(f"error converting YAML to JSON: {error}") from error
    except yaml.YAMLError as error:
        raise bad_request(f"error converting YAML to JSON: yaml: {_first_line(error)}") from error
    return value


def write(value: Any) -> bytes:
    """A large value as JSON, which is YAML too, since the block style of it takes a hundred times as long."""
    encoded = orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    if len(encoded) > _LARGEST_BLOCK:
        return encoded
    text: str = yaml.dump(orjson.loads(encoded), Dumper=yaml.CSafeDumper, allow_unicode=True)
    return text.encode()


def _first_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)
