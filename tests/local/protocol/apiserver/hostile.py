"""Requests that cost as much as can be, composed of parts that are each allowed.

What is drawn is small: kinds of parts, and how many of each there are. Bodies are built of that, up to the size that
the server takes.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import hypothesis.strategies as st

from .large_objects import (
    DEFINITIONS,
    DEPLOYMENTS,
    IN_DEFAULT,
    LARGEST_BODY,
    SORTS,
    THINGS,
    Json,
    config_map,
    definition,
    deployment,
    fitting,
    nested,
    numbered,
    pod_spec,
    thing,
)

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
AS_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
OTHERS = "/apis/example.com/v1/others"
APPLY_PATCH = "application/apply-patch+yaml"
COUNTS = st.sampled_from((1, 40, 700, 9_000, 60_000))
DEPTHS = st.sampled_from((1, 20, 90, 300))
DEEPEST_TEXTS = st.sampled_from((20, 300, 3_000, 60_000))


class Request(NamedTuple):
    method: str
    path: str
    body: str | None
    content_type: str = "application/json"
    accept: str = "application/json"

    def __repr__(self) -> str:
        body = self.body or ""
        return f"{self.method} {self.path} {self.content_type} {self.accept} {body[:600]!r} of {len(body)}"


# -- expressions and patterns ----------------------------------------------------------------------------------------

RULES = st.sampled_from(
    (
        lambda n: " && ".join(["self == self"] * n),
        lambda n: "!" * n + "true",
        lambda n: "[" * n + "]" * n + " == []",
        lambda n: "(" * n + "true" + ")" * n,
        lambda n: "[" + "self," * n + "self] == []",
        lambda n: "{" + ",".join(f"{one}: self" for one in range(n)) + "} == {}",
        lambda n: "self" + ".a" * n + " == 1",
        lambda n: "self" + ".?a" * n + ".hasValue()",
        lambda n: "[1]" + ".map(x, x + 1)" * n + " == [1]",
        lambda n: "optional.of(1)" + ".optMap(x, x)" * n + ".hasValue()",
        lambda n: "true ? true : " * n + "false",
        lambda n: "1 + " * n + "1 == 1",
        lambda n: "".join(f"[1].all(v{one}, " for one in range(n)) + "true" + ")" * n,
        lambda n: f"'{'a' * n}'.matches('{'(a+)+' * min(n, 500)}')",
        lambda n: f"duration('{'1h' * n}') == duration('1s')",
        lambda n: " || ".join(f"x{one} == 1" for one in range(n)),
        lambda n: "self.all(a, self.all(b, self.all(c, a == b)))" + " || true" * n,
    )
)
PATTERNS = st.sampled_from(
    (
        lambda n: "(a+)+" * min(n, 3_000) + "$",
        lambda n: "(" * n + "a" + ")" * n,
        lambda n: "|".join(f"a{one}" for one in range(n)),
        lambda n: "(a{0,30}){0,30}" * min(n, 300),
        lambda n: "[" + "a-z" * n + "]",
    )
)
RULE_COUNTS = st.sampled_from((1, 30, 90, 300, 2_000, 5_000))


def rules(draw: st.DrawFn) -> list[Json]:
    make, size, many = draw(RULES), draw(RULE_COUNTS), draw(st.sampled_from((1, 3, 40)))
    return [{"rule": make(size)}] * (many if size < 300 else 1)


# -- definitions of custom resources ---------------------------------------------------------------------------------


PROPERTIES = (
    "pattern",
    "patterns",
    "enum",
    "rules",
    "deep",
    "wide",
    "default",
    "defaults",
    "list map",
    "set",
    "junctors",
)
COLUMNS = st.sampled_from(
    (
        lambda n: "..a" * n,
        lambda n: ".spec" + "..[*]" * n,
        lambda n: ".spec" + ".a" * n,
        lambda n: ".spec" + "[*]" * n,
        lambda n: ".spec.a[?(@..a==1)]" * n,
        lambda n: ".spec" + "[?(@.a" * n + ")]" * n,
    )
)
COLUMN_COUNTS = st.sampled_from((0, 1, 150, 5_000))


def _property(draw: st.DrawFn) -> Json:
    count = draw(COUNTS)
    kind = draw(st.sampled_from(PROPERTIES))
    text = {"type": "string"}
    match kind:
        case "pattern":
            return {**text, "pattern": draw(PATTERNS)(min(count, 9_000))}
        case "patterns":
            make = draw(PATTERNS)
            properties = {f"p{number}": {**text, "pattern": make(20) + str(number)} for number in range(count)}
            return {"type": "object", "properties": properties}
        case "defaults":
            pattern, value = draw(PATTERNS)(200), "a" * draw(COUNTS)
            properties = {f"p{number}": {**text, "pattern": pattern, "default": value} for number in range(count)}
            return {"type": "object", "properties": properties}
        case "enum":
            return {**text, "enum": [f"v{number}" for number in range(count)]}
        case "rules":
            inner = draw(st.sampled_from((text, {"type": "integer"}, {"type": "array", "items": text})))
            return {**inner, "x-kubernetes-validations": rules(draw)}
        case "deep":
            depth = draw(DEPTHS)
            if draw(st.booleans()):
                return nested(depth, text, lambda inside: {"type": "array", "items": inside})
            return nested(depth, text, lambda inside: {"type": "object", "properties": {"a": inside}})
        case "wide":
            properties = {f"p{number}": text for number in range(count)}
            return {"type": "object", "properties": properties, "required": list(properties)}
        case "default":
            values = {f"k{number}": "v" for number in range(count)}
            return {"type": "object", "additionalProperties": text, "default": values}
        case "list map":
            keys = [f"k{number}" for number in range(min(count, 2_000))]
            item = {"type": "object", "properties": dict.fromkeys(keys, text), "required": keys}
            marks = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys}
            return {"type": "array", "items": item, **marks}
        case "set":
            return {"type": "array", "items": text, "x-kubernetes-list-type": "set"}
        case _:
            return {**text, "anyOf": [{"pattern": f"^{number}"} for number in range(count)]}


VALUES: tuple[Callable[[int], Any], ...] = (
    lambda _: None,
    lambda count: "a" * count + "b",
    lambda count: list(range(count)),
    lambda count: [f"v{number}" for number in range(count)],
    lambda count: [{}] * count,
    lambda count: [[]] * count,
    lambda count: numbered("k", count),
    lambda count: nested(min(count, 70), {}, lambda inside: {"a": inside}),
)


@st.composite
def definitions(draw: st.DrawFn) -> tuple[Request, ...]:
    """A definition, an object of its kind, and a table of such."""
    properties = {name: _property(draw) for name in "abc"[: draw(st.integers(1, 3))]}
    versions = draw(st.sampled_from((1, 1, 2, 40)))
    path = draw(COLUMNS)(draw(st.sampled_from((1, 20, 200, 100_000))))
    columns = [path] * min(draw(COLUMN_COUNTS), LARGEST_BODY // 2 // len(path))
    text = fitting(lambda count: definition(properties, count, columns), versions)
    if versions and len(text) > LARGEST_BODY:
        text = json.dumps(definition({}))
    build = {name: draw(st.sampled_from(VALUES)) for name in properties}
    head = {"apiVersion": "example.com/v1", "kind": "Other", "metadata": {"name": "o"}}
    other = fitting(lambda count: {**head, "spec": {name: make(count) for name, make in build.items()}}, draw(COUNTS))
    return (
        Request("POST", DEFINITIONS, text),
        Request("POST", OTHERS, other),
        Request("GET", OTHERS, None, accept=AS_TABLE),
    )


# -- objects -----------------------------------------------------------------------------------------------------------


USES: tuple[Callable[[str, str], Request], ...] = (
    lambda path, _: Request("GET", path, None),
    lambda path, _: Request("GET", path, None, accept="application/yaml"),
    lambda path, _: Request("GET", path.rpartition("/")[0], None, accept=AS_TABLE),
    lambda path, _: Request("PATCH", path, '{"metadata": {"labels": {"a": "b"}}}', MERGE_PATCH),
    lambda path, text: Request("PATCH", path, text, MERGE_PATCH),
    lambda path, text: Request("PATCH", path, text, STRATEGIC_PATCH),
    lambda path, _: Request("PATCH", path, '[{"op": "add", "path": "/metadata/labels", "value": {}}]', JSON_PATCH),
)


@st.composite
def objects(draw: st.DrawFn) -> tuple[Request, ...]:
    """An object, and what is done with it, if it is taken."""
    path, build = draw(st.sampled_from(SORTS))[1:]
    text = fitting(build, draw(COUNTS))
    one = f"{path}/{json.loads(text)['metadata']['name']}"
    uses = draw(st.lists(st.sampled_from(USES), max_size=2))
    create = Request("POST", path + draw(st.sampled_from(("", "?fieldValidation=Strict"))), text)
    return create, *(use(one, text) for use in uses)


@st.composite
def broken_objects(draw: st.DrawFn) -> Request:
    """Texts that are hard to read, or that no object is made of."""
    count = draw(COUNTS)
    text = draw(
        st.sampled_from(
            (
                "[" * count,
                '{"a":' * count + "1" + "}" * count,
                f'{{"data": {{"k": {"9" * count}}}}}',
                f'{{"data": {{"k": 1e{"9" * min(count, 300)}}}}}',
                '{"data": {' + ", ".join(['"k": "v"'] * count) + "}}",
                '{"data": {"k": "' + "\\u0000" * count + '"}}',
                '{"metadata": {"name": "' + "n" * count + '"}}',
            )
        )
    )
    return Request("POST", f"{IN_DEFAULT}/configmaps?fieldValidation=Strict", text[:LARGEST_BODY])


# -- patches ---------------------------------------------------------------------------------------------------------

OPERATIONS: tuple[Callable[[int], Json], ...] = (
    lambda n: {"op": "copy", "from": "/data", "path": f"/data/c{n}"},
    lambda _: {"op": "copy", "from": "/data", "path": "/metadata/annotations"},
    lambda n: {"op": "add", "path": f"/data/k{n}", "value": "v"},
    lambda _: {"op": "add", "path": "/metadata/finalizers", "value": []},
    lambda n: {"op": "add", "path": "/metadata/finalizers/0", "value": f"a.b/{n}"},
    lambda _: {"op": "test", "path": "/data", "value": {}},
    lambda _: {"op": "test", "path": "/metadata/name", "value": "large"},
    lambda n: {"op": "move", "from": "/data", "path": "/data2" if n % 2 else "/data"},
    lambda n: {"op": "replace", "path": "/data/k1", "value": f"{n}"},
    lambda n: {"op": "remove", "path": f"/data/k{n}"},
)


@st.composite
def json_patches(draw: st.DrawFn) -> Request:
    kinds = draw(st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=3))
    text = fitting(lambda many: [kinds[n % len(kinds)](n) for n in range(many)], draw(COUNTS))
    return Request("PATCH", f"{IN_DEFAULT}/configmaps/large", text, JSON_PATCH)


def _env(count: int, *, delete: bool = False) -> list[Json]:
    more = {"$patch": "delete"} if delete else {"value": "x"}
    return [{"name": f"V{number}", **more} for number in range(count)]


def _pod_patch(**change: Any) -> Json:
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", **change}]}}}}


STRATEGIC: tuple[Callable[[int], Json], ...] = (
    lambda n: _pod_patch(env=_env(n)),
    lambda n: _pod_patch(env=_env(n, delete=True)),
    lambda n: _pod_patch(env=[*_env(n), {"$patch": "replace"}]),
    lambda n: _pod_patch(env=_env(n)[::-1], **{"$setElementOrder/env": [{"name": f"V{one}"} for one in range(n)]}),
    lambda n: _pod_patch(**{"$setElementOrder/env": [{"name": f"V{one}"} for one in range(n)][::-1]}),
    lambda n: _pod_patch(**{"$retainKeys": [f"k{one}" for one in range(n)]}),
    lambda n: {"metadata": {"$deleteFromPrimitiveList/finalizers": [f"a.b/{one}" for one in range(n)]}},
    lambda n: {"metadata": {"finalizers": [f"a.b/f{one}" for one in range(n)]}},
    lambda n: {"metadata": {"annotations": {f"a{one}": None for one in range(n)}}},
)


@st.composite
def merges(draw: st.DrawFn) -> Request:
    content, build = draw(
        st.sampled_from([(kind, one) for one in STRATEGIC for kind in (STRATEGIC_PATCH, MERGE_PATCH)])
    )
    return Request("PATCH", f"{DEPLOYMENTS}/large", fitting(build, draw(COUNTS)), content)


@st.composite
def deep_merges(draw: st.DrawFn) -> Request:
    depth = draw(DEEPEST_TEXTS)
    kind, path = draw(st.sampled_from(((MERGE_PATCH, f"{THINGS}/small"), (STRATEGIC_PATCH, f"{DEPLOYMENTS}/large"))))
    return Request("PATCH", path, '{"spec": ' + '{"a":' * depth + "1" + "}" * depth + "}", kind)


APPLIED: tuple[tuple[str, Callable[[int], Json]], ...] = (
    (f"{IN_DEFAULT}/configmaps/large", lambda n: {"apiVersion": "v1", "kind": "ConfigMap", **config_map(n, "large")}),
    (f"{THINGS}/t", thing),
    (
        f"{DEPLOYMENTS}/large",
        lambda n: {"apiVersion": "apps/v1", "kind": "Deployment", **deployment(pod_spec(n), "large")},
    ),
)


@st.composite
def applies(draw: st.DrawFn) -> Request:
    path, build = draw(st.sampled_from(APPLIED))
    text = fitting(build, draw(COUNTS))
    force = draw(st.sampled_from(("", "&force=true")))
    if draw(st.booleans()):
        # No longer JSON: a document of YAML in the style of JSON.
        text = f"---\n{text}"
    return Request("PATCH", f"{path}?fieldManager=other{force}", text, APPLY_PATCH)


# -- reads -----------------------------------------------------------------------------------------------------------

LONGEST_LINE = 7_000
SELECTORS = st.sampled_from(
    (
        lambda n: "labelSelector=" + ",".join(f"k{one}!=v" for one in range(n)),
        lambda n: "labelSelector=k+notin+(" + ",".join(f"v{one}" for one in range(n)) + ")",
        lambda n: "labelSelector=" + "!a," * n + "b",
        lambda n: "labelSelector=" + "(" * n,
        lambda n: "fieldSelector=" + ",".join(["metadata.name!=x"] * n),
        lambda n: "limit=1&continue=" + "a" * n,
        lambda n: f"limit={'9' * min(n, 5_000)}",
        lambda n: f"resourceVersion={'9' * min(n, 5_000)}",
    )
)


@st.composite
def lists(draw: st.DrawFn) -> Request:
    query = draw(SELECTORS)(draw(st.sampled_from((1, 30, 300, 3_000))))[:LONGEST_LINE]
    path = draw(st.sampled_from((f"{IN_DEFAULT}/configmaps", "/api/v1/pods", THINGS, DEFINITIONS)))
    return Request(draw(st.sampled_from(("GET", "GET", "DELETE"))), f"{path}?{query}", None)


REQUESTS: st.SearchStrategy[tuple[Request, ...]] = st.one_of(
    definitions(),
    definitions(),
    objects(),
    objects(),
    *(st.tuples(one()) for one in (broken_objects, json_patches, merges, deep_merges, applies, lists)),
)
