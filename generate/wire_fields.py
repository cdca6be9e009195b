"""Makes `wire_fields.txt`: how the built-in kinds are written in protobuf, by which the embedded API server reads them.

Source: the struct tags of Kubernetes' Go modules, which name both the protobuf number and the JSON key of each field.
Go fetches the modules; only who changes the version needs it: `make wire-fields`.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

OUTPUT: Final = Path(__file__).parents[1] / "src/crossfade_local/apiserver/wire/wire_fields.txt"
RELEASE: Final = "v0.37.0"
# The last one with autoscaling/v2beta2 and PodSecurityPolicy.
_FORMER_RELEASE: Final = "v0.24.17"
_API: Final = f"k8s.io/api@{RELEASE}"
_FORMER_API: Final = f"k8s.io/api@{_FORMER_RELEASE}"
_MACHINERY: Final = f"k8s.io/apimachinery@{RELEASE}"
_EXTENSIONS: Final = f"k8s.io/apiextensions-apiserver@{RELEASE}"
_AGGREGATOR: Final = f"k8s.io/kube-aggregator@{RELEASE}"
_METRICS: Final = f"k8s.io/metrics@{RELEASE}"

PACKAGES: Final = (
    *(
        (f"{name.replace('/', '.')}", _API, name)
        for name in (
            "admissionregistration/v1", "apps/v1", "authentication/v1", "authorization/v1", "autoscaling/v1",
            "autoscaling/v2", "batch/v1", "certificates/v1", "coordination/v1", "core/v1", "discovery/v1", "events/v1",
            "extensions/v1beta1", "networking/v1", "networking/v1beta1", "node/v1", "policy/v1", "rbac/v1",
            "rbac/v1beta1", "scheduling/v1", "scheduling/v1alpha3", "storage/v1",
        )
    ),
    ("autoscaling.v2beta2", _FORMER_API, "autoscaling/v2beta2"),
    ("policy.v1beta1", _FORMER_API, "policy/v1beta1"),
    ("apiextensions.v1", _EXTENSIONS, "pkg/apis/apiextensions/v1"),
    ("apiextensions.v1beta1", _EXTENSIONS, "pkg/apis/apiextensions/v1beta1"),
    ("apiregistration.v1", _AGGREGATOR, "pkg/apis/apiregistration/v1"),
    ("metrics.v1beta1", _METRICS, "pkg/apis/metrics/v1beta1"),
    ("meta.v1", _MACHINERY, "pkg/apis/meta/v1"),
)  # fmt: skip
"""The prefix of the messages' names here, the Go module, the folder in it."""

_ROOTS_OF_META: Final = (
    "meta.v1.DeleteOptions", "meta.v1.PartialObjectMetadata", "meta.v1.PartialObjectMetadataList", "meta.v1.Status",
    "meta.v1.WatchEvent",
)  # fmt: skip
_SCALARS: Final = {
    "string": "s", "[]byte": "b", "bool": "o", "float64": "d",
    **dict.fromkeys(("int", "int32", "int64", "uint32", "uint64"), "i"),
}  # fmt: skip
_WELL_KNOWN: Final = {
    "meta.v1.Time": "time", "meta.v1.MicroTime": "time", "meta.v1.Duration": "duration", "meta.v1.FieldsV1": "fields",
    "intstr.IntOrString": "intstr", "resource.Quantity": "quantity", "runtime.RawExtension": "raw",
    "types.UID": "s", "types.NodeName": "s", "types.NamespacedName": "s",
}  # fmt: skip
# Structs whose JSON is not that of their fields: `JSON` and the either-or types of schemas.
_OWN_JSON: Final = {
    "JSON": "json", "JSONSchemaPropsOrBool": "or_bool", "JSONSchemaPropsOrArray": "or_array",
    "JSONSchemaPropsOrStringArray": "or_strings",
}  # fmt: skip
_MAY_BE_ZERO: Final = (
    "s",
    "i",
    "o",
    "d",
    "b",
    "json",
    "or_bool:apiextensions.v1.JSONSchemaProps",
    "or_bool:apiextensions.v1beta1.JSONSchemaProps",
)
_HEADER: Final = f"""\
# Protobuf field numbers of Kubernetes' kinds; made by `make wire-fields` from Kubernetes' Go modules {RELEASE}.
# message = number:JSON name:type ...  An empty name: the fields of that message belong to the parent in JSON.
# Types: s text, b bytes, i integer, o bool, d double, time, duration, intstr, quantity, raw, json, fields, {{type}} a
# map from text, *type repeated, =message a message that is a list in JSON, else the name of a message. or_bool,
# or_array and or_strings, with the name of a schema's message: either that or the other.
# A trailing ! keeps a zero value, which elsewhere means unset.
"""
STRUCT: Final = re.compile(r"^type (\w+) struct ?\{(?:\}$|$(.*?)^\})", re.MULTILINE | re.DOTALL)
_NAMED: Final = re.compile(r"^type (\w+) (?!struct\b|interface\b)=? ?([\w.\[\]*]+)$", re.MULTILINE)
_GROUPED: Final = re.compile(r"^\t(\w+) = ([\w.]+)$", re.MULTILINE)
IMPORT: Final = re.compile(r'^\s*(?:import )?(\w+)? ?"(k8s\.io/[\w./-]+)"$', re.MULTILINE)
FIELD: Final = re.compile(r"^\t(?:\w+ +)?(?P<type>[\w.\[\]*]+) +`(?P<tags>[^`]*)`", re.MULTILINE)
JSON_TAG: Final = re.compile(r'json:"([^",]*)(?:,([^"]*))?"')
_NUMBER_TAG: Final = re.compile(r'protobuf:"\w+,(\d+),')


class _Field(NamedTuple):
    number: int
    name: str
    type: str
    keeps_zero: bool


class Package(NamedTuple):
    """`named` are types that are no structs; `imports`: the name in the source to the prefix here."""

    structs: dict[str, str]
    named: dict[str, str]
    imports: dict[str, str]


class Types:
    """The Go types of all packages, and how each is written in the table."""

    def __init__(self, packages: dict[str, Package]) -> None:
        self._packages = packages

    def roots(self) -> list[str]:
        """Whatever has an apiVersion and a kind of its own; of the shared package only what is sent."""
        kinds = [
            f"{prefix}.{name}"
            for prefix, package in self._packages.items()
            for name, body in package.structs.items()
            if prefix != "meta.v1" and "TypeMeta `json" in body
        ]
        return [*kinds, *_ROOTS_OF_META]

    def fields(self, message: str) -> list[_Field]:
        prefix, _, name = message.rpartition(".")
        package = self._packages[prefix]
        return [self._field(match, prefix) for match in FIELD.finditer(package.structs[name]) if _number_of(match)]

    def _field(self, match: re.Match[str], prefix: str) -> _Field:
        named = JSON_TAG.search(match["tags"])
        if named is None:
            raise ValueError(f"no JSON name in {match[0]!r}")
        name, options = named[1], named[2] or ""
        kind = match["type"]
        kept = kind.startswith("*") or "omit" not in options
        written = self._written(kind.removeprefix("*"), prefix)
        if written.startswith("=") and ",rep," in match["tags"]:
            # This list is one in protobuf too.
            owner, _, named_list = written[1:].rpartition(".")
            written = self._written(self._packages[owner].named[named_list], owner)
        return _Field(_number_of(match), name, written, kept and written in _MAY_BE_ZERO)

    def _written(self, kind: str, prefix: str) -> str:
        if kind in _SCALARS:
            return _SCALARS[kind]
        if kind.startswith("[]"):
            return "*" + self._written(kind.removeprefix("[]").removeprefix("*"), prefix)
        if kind.startswith("map["):
            return "{" + self._written(kind.partition("]")[2], prefix) + "}"
        owner, name = self._place(kind, prefix)
        full = f"{owner}.{name}"
        if full in _WELL_KNOWN:
            return _WELL_KNOWN[full]
        package = self._packages[owner]
        if name in _OWN_JSON and owner.startswith("apiextensions."):
            kind = _OWN_JSON[name]
            return kind if kind == "json" else f"{kind}:{owner}.JSONSchemaProps"
        if name in package.structs:
            return full
        meaning = package.named[name]
        # go-to-protobuf makes a message of a named list, with its items as field 1.
        return f"={full}" if meaning.startswith("[]") and meaning != "[]byte" else self._written(meaning, owner)

    def _place(self, kind: str, prefix: str) -> tuple[str, str]:
        alias, _, name = kind.rpartition(".")
        return (self._packages[prefix].imports[alias] if alias else prefix), name

    def line(self, message: str) -> tuple[str, list[str]]:
        """A line of the table, and the messages that it names."""
        prefix, _, name = message.rpartition(".")
        meaning = self._packages[prefix].named.get(name)
        if meaning is not None:
            item = self._written(meaning, prefix)
            return f"{message} = 1::{item}", _messages_in(item)
        fields = sorted(self.fields(message))
        text = " ".join(f"{one.number}:{one.name}:{one.type}{'!' if one.keeps_zero else ''}" for one in fields)
        return f"{message} = {text}", [found for one in fields for found in _messages_in(one.type)]


def main() -> None:
    types = Types({prefix: read(folder_of(module) / folder) for prefix, module, folder in PACKAGES})
    OUTPUT.write_text(_HEADER + "\n".join(_lines(types)) + "\n", encoding="utf-8")


def _lines(types: Types) -> list[str]:
    todo = types.roots()
    done: dict[str, str] = {}
    while todo:
        message = todo.pop()
        if message not in done:
            done[message], more = types.line(message)
            todo += more
    return [done[name] for name in sorted(done)]


def _messages_in(written: str) -> list[str]:
    found = written.strip("*{}=").rpartition(":")[2]
    return [found] if "." in found else []


def _number_of(match: re.Match[str]) -> int:
    found = _NUMBER_TAG.search(match["tags"])
    return int(found[1]) if found else 0


def folder_of(module: str) -> Path:
    done = subprocess.run(["go", "mod", "download", "-json", module], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout or "{}")
    if "Dir" not in found:
        raise SystemExit(f"wire_fields: Go cannot fetch {module}: {found.get('Error') or done.stderr}")
    return Path(found["Dir"])


def read(folder: Path) -> Package:
    """The package's types, without its tests and generated parts."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(sources(folder))]
    text = "\n".join(re.sub(r"^\s*//.*\n", "", one, flags=re.MULTILINE) for one in texts)
    return Package(
        structs={match[1]: match[2] or "" for match in STRUCT.finditer(text)},
        named={match[1]: match[2] for match in (*_NAMED.finditer(text), *_GROUPED.finditer(text))},
        imports={match[1] or last_word(match[2]): prefix_of(match[2]) for match in IMPORT.finditer(text)},
    )


def sources(folder: Path) -> Iterator[Path]:
    others = ("generated", "zz_", "doc")
    return (path for path in folder.glob("*.go") if not path.name.startswith(others) and "_test" not in path.name)


def last_word(package: str) -> str:
    return package.rpartition("/")[2]


def prefix_of(package: str) -> str:
    """`k8s.io/api/core/v1` to `core.v1`; what is no package of types to its last word."""
    parts = package.split("/")
    return ".".join(parts[-2:]) if re.fullmatch(r"v\d\w*", parts[-1]) else parts[-1]


if __name__ == "__main__":
    main()
