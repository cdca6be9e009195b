"""Objects with as many parts as are asked for, each of them small: what takes a server longest to go through."""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Json = dict[str, Any]
LARGEST_BODY = 3 * 1024 * 1024
IN_DEFAULT = "/api/v1/namespaces/default"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/example.com/v1/things"
HOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


class Sort(NamedTuple):
    """`build` makes an object of a number of parts."""

    name: str
    path: str
    build: Callable[[int], Json]


def sized(build: Callable[[int], Any], size: int) -> Any:
    """What is built of nearly as many parts as `size` bytes hold."""
    few, many = 100, 10_000
    first, second = (len(json.dumps(build(count))) for count in (few, many))
    part = (second - first) / (many - few)
    if part < 1:
        return build(many)
    count = int((size - first) / part)
    while len(json.dumps(found := build(count))) > size:
        count = count * 49 // 50
    return found


def fitting(build: Callable[[int], Any], count: int) -> str:
    """What is built of as many parts as one request holds, and no more than asked for."""
    while len(text := json.dumps(build(count))) > LARGEST_BODY:
        count = count * 9 // 10 * LARGEST_BODY // len(text)
    return text


def nested(depth: int, inside: Any, around: Callable[[Any], Any]) -> Any:
    for _ in range(depth):
        inside = around(inside)
    return inside


def numbered(prefix: str, count: int, value: Any = "v") -> Json:
    return {f"{prefix}{number}": value for number in range(count)}


def config_map(count: int, name: str = "m") -> Json:
    return {"metadata": {"name": name}, "data": numbered("k", count)}


def labelled(count: int) -> Json:
    return {"metadata": {"name": "m", "labels": numbered("l", count), "annotations": numbered("a", count)}}


def owned(count: int) -> Json:
    owner = {"apiVersion": "v1", "kind": "Pod", "uid": "u"}
    owners = [{**owner, "name": f"o{number}"} for number in range(count)]
    return {"metadata": {"name": "m", "ownerReferences": owners, "finalizers": [f"a.b/f{n}" for n in range(count)]}}


def managed(count: int) -> Json:
    fields = {"f:data": nested(min(count, 300), {}, lambda inside: {"f:a": inside})}
    entry = {"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}
    return {"metadata": {"name": "m", "managedFields": [{**entry, "manager": f"x{n}"} for n in range(count // 50 + 1)]}}


def pod_spec(count: int) -> Json:
    variables = [{"name": f"V{number}", "value": "$(V1)" * 3} for number in range(count)]
    mounts = [{"name": "v", "mountPath": f"/m{number}"} for number in range(count)]
    container = {"name": "c", "image": "i", "env": variables, "volumeMounts": mounts}
    return {"containers": [container], "volumes": [{"name": "v", "emptyDir": {}}]}


def containers(count: int) -> Json:
    return {
        "containers": [{"name": f"c{number}", "image": "i", "ports": [{"containerPort": 1}]} for number in range(count)]
    }


def tolerations(count: int) -> Json:
    terms = [{"matchExpressions": [{"key": f"k{number}", "operator": "Exists"}]} for number in range(count)]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    wanted = [{"key": f"k{number}", "operator": "Exists"} for number in range(count)]
    return {**containers(1), "tolerations": wanted, "affinity": affinity}


def deployment(spec: Json, name: str = "d") -> Json:
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": labels}, "template": template}}


def service(count: int) -> Json:
    ports = [{"name": f"p{number}", "port": number % 65_535 + 1} for number in range(count)]
    return {"metadata": {"name": "s"}, "spec": {"ports": ports, "selector": numbered("l", count)}}


def ingress(count: int) -> Json:
    backend = {"service": {"name": "s", "port": {"number": 1}}}
    paths = [{"path": f"/p{number}", "pathType": "Prefix", "backend": backend} for number in range(count)]
    rules_ = [{"host": f"h{number}.example.com", "http": {"paths": paths[:3]}} for number in range(count // 4)]
    return {"metadata": {"name": "i"}, "spec": {"rules": [{"http": {"paths": paths}}, *rules_]}}


def network_policy(count: int) -> Json:
    peers = [{"ipBlock": {"cidr": f"10.{n // 65_536 % 256}.{n // 256 % 256}.{n % 256}/32"}} for n in range(count)]
    return {"metadata": {"name": "n"}, "spec": {"podSelector": {}, "ingress": [{"from": peers}]}}


def role(count: int) -> Json:
    rule = {"apiGroups": ["", "apps"], "verbs": ["get", "list"]}
    return {"metadata": {"name": "r"}, "rules": [{**rule, "resources": [f"r{number}"]} for number in range(count)]}


def thing(count: int) -> Json:
    spec = {
        "text": "a" * count + "b",
        "set": [f"v{number}" for number in range(count)],
        "list": [{"key": f"k{number}"} for number in range(count)],
        "numbers": list(range(count)),
        "map": numbered("u", count),
    }
    return a_thing(**spec)


def a_thing(**spec: Any) -> Json:
    return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": spec}


def with_more_fields(things: Json) -> Json:
    """The definition of what `thing` and `a_thing` make."""
    spec = things["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    text = {"type": "string"}
    item = {"type": "object", "properties": {"key": text}, "required": ["key"]}
    marks = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"]}
    spec["properties"]["list"] = {"type": "array", "items": item, **marks}
    spec["properties"]["numbers"] = {"type": "array", "items": {"type": "integer"}}
    spec["properties"]["map"] = {"type": "object", "additionalProperties": text}
    filled = {name: {**text, "default": "v"} for name in ("a", "b", "c")}
    spec["properties"]["filled"] = {"type": "array", "items": {"type": "object", "properties": filled}}
    ruled = {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0"}]}
    spec["properties"]["ruled"] = {"type": "array", "items": ruled, "maxItems": 1_000_000}
    spec["properties"]["free"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    lists = {"type": "array", "items": {"type": "integer"}}
    spec["properties"]["lists"] = {"type": "array", "items": lists}
    return things


def webhooks(count: int) -> Json:
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*/*"]}
    one = {
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "matchConditions": [{"name": f"c{n}", "expression": f"object.x == {n}"} for n in range(min(count, 64))],
        "rules": [rule] * min(count, 50),
        "objectSelector": {"matchLabels": {"no": "where"}},
    }
    return {
        "metadata": {"name": "w"},
        "webhooks": [{**one, "name": f"w{n}.example.com"} for n in range(count // 50 + 1)],
    }


def long_text(count: int) -> Json:
    return {"metadata": {"name": "m"}, "data": {"k": "v" * count}}


def controllers(count: int) -> Json:
    owner = {"apiVersion": "v1", "kind": "Pod", "uid": "u", "name": "o", "controller": True}
    return {"metadata": {"name": "m", "ownerReferences": [owner] * count}}


def families(count: int) -> Json:
    return {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 1}], "ipFamilies": ["IPv4"] * count}}


def review_versions(count: int) -> Json:
    found = webhooks(0)
    found["webhooks"][0]["admissionReviewVersions"] = [f"v{number}" for number in range(count)]
    return found


def secret(count: int) -> Json:
    return {"metadata": {"name": "m"}, "data": numbered("k", count, "dg==")}


def long_secret(count: int) -> Json:
    return {"metadata": {"name": "m"}, "data": {"k": "dGV4" * (count // 4)}}


def endpoints(count: int) -> Json:
    addresses = [{"ip": f"10.{n // 65_536 % 256}.{n // 256 % 256}.{n % 256}"} for n in range(count)]
    return {"metadata": {"name": "e"}, "subsets": [{"addresses": addresses, "ports": [{"port": 80}]}]}


def faulty(count: int) -> Json:
    """Each part has something to be told of."""
    container = {"name": "c", "image": "i", "env": [{"name": "="}] * count}
    return deployment({"containers": [container]})


def webhook_rules(count: int) -> Json:
    """As few webhooks as can be."""
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*"]}
    found = webhooks(0)
    found["webhooks"][0]["rules"] = [rule] * count
    return found


def definition(properties: Json, versions: int = 1, columns: Sequence[str] = (), **spec: Any) -> Json:
    """`columns` are paths."""
    shown = [{"name": f"c{number}", "type": "string", "jsonPath": path} for number, path in enumerate(columns)]
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    listed = [
        {
            "name": f"v{number + 1}",
            "served": True,
            "storage": not number,
            "schema": {"openAPIV3Schema": schema},
            "additionalPrinterColumns": shown,
        }
        for number in range(versions)
    ]
    names = {"kind": "Other", "plural": "others"}
    spec = {"group": "example.com", "scope": "Cluster", "names": names, "versions": listed, **spec}
    return {"metadata": {"name": "others.example.com"}, "spec": spec}


def wide_definition(count: int) -> Json:
    return definition(numbered("p", count, {"type": "string"}))


SORTS = (
    Sort("config map of many keys", f"{IN_DEFAULT}/configmaps", config_map),
    Sort("config map of one long text", f"{IN_DEFAULT}/configmaps", long_text),
    Sort("secret of many keys", f"{IN_DEFAULT}/secrets", secret),
    Sort("secret of long bytes", f"{IN_DEFAULT}/secrets", long_secret),
    Sort("labels and annotations", f"{IN_DEFAULT}/configmaps", labelled),
    Sort("owners and finalizers", f"{IN_DEFAULT}/configmaps", owned),
    Sort("managed fields", f"{IN_DEFAULT}/configmaps", managed),
    Sort("service", f"{IN_DEFAULT}/services", service),
    Sort("controllers", f"{IN_DEFAULT}/configmaps", controllers),
    Sort("service of families", f"{IN_DEFAULT}/services", families),
    Sort("webhook of review versions", HOOKS, review_versions),
    Sort("endpoints", f"{IN_DEFAULT}/endpoints", endpoints),
    Sort("pod of variables", f"{IN_DEFAULT}/pods", lambda count: {"metadata": {"name": "p"}, "spec": pod_spec(count)}),
    Sort("pod of tolerations", f"{IN_DEFAULT}/pods", lambda n: {"metadata": {"name": "p"}, "spec": tolerations(n)}),
    Sort("deployment of containers", DEPLOYMENTS, lambda count: deployment(containers(count))),
    Sort("deployment of variables", DEPLOYMENTS, lambda count: deployment(pod_spec(count))),
    Sort("deployment of empty containers", DEPLOYMENTS, lambda count: deployment({"containers": [{}] * count})),
    Sort("deployment of faulty variables", DEPLOYMENTS, faulty),
    Sort("ingress", "/apis/networking.k8s.io/v1/namespaces/default/ingresses", ingress),
    Sort("network policy", "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies", network_policy),
    Sort("role", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles", role),
    Sort("webhooks", HOOKS, webhooks),
    Sort("webhooks of rules", HOOKS, webhook_rules),
    Sort("definition of properties", DEFINITIONS, wide_definition),
    Sort("custom object of lists and maps", THINGS, thing),
    Sort("custom list map", THINGS, lambda count: a_thing(list=[{"key": f"k{number}"} for number in range(count)])),
    Sort("custom set", THINGS, lambda count: a_thing(set=[f"v{number}" for number in range(count)])),
    Sort("custom numbers", THINGS, lambda count: a_thing(numbers=[1] * count)),
    Sort("custom map", THINGS, lambda count: a_thing(map=numbered("u", count))),
    Sort("custom items with defaults", THINGS, lambda count: a_thing(filled=[{}] * count)),
    Sort("custom items with rules", THINGS, lambda count: a_thing(ruled=[1] * count)),
    Sort("custom free content", THINGS, lambda count: a_thing(free={"a": [{"b": 1}] * count})),
    Sort("custom faulty items", THINGS, lambda count: a_thing(numbers=["a"] * count)),
    Sort("custom unknown fields", THINGS, lambda count: a_thing(**numbered("z", count, 1))),
    Sort("custom list of lists", THINGS, lambda count: a_thing(lists=[[]] * count)),
)
