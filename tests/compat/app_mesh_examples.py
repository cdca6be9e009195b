"""Compiles what AWS's examples for App Mesh hold: `python -m tests.compat.app_mesh_examples FOLDER`.

FOLDER is a checkout of https://github.com/aws/aws-app-mesh-examples. Each walkthrough is one set of manifests, and each
of its steps in a file of its own another one. What their text has people do is done: namespaces get the labels that
meshes and gateways select, and a Secret stands for ACM's ARNs. Prints what is refused and why; the status is 1 if
something is.
"""

import base64
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Final, TypeAlias

import yaml
from jsonschema_rs import validator_for

from crossfade.admission.appmesh_rules import check_object
from crossfade.admission.review import AdmissionRequest, Denied
from crossfade.compile.mesh import ArnScope, compile_mesh
from crossfade.compile.mesh.acm import ARNS_ANNOTATION, LABEL
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.install.mesh import mesh_crds
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import DecodeError, TypedObject, decode_known, kinds_by_gvk
from tests.support.tls import issue
from tests.translation.test_mesh import KINDS

API_VERSION: Final = "appmesh.k8s.aws/v1beta2"
# Steps that replace one another, or that a cluster of the other kind takes.
ALTERNATIVES: Final = ("gatewayroutes/", "deploy/djapp-", "ipv6/")
# Two walkthroughs are about a node without TLS, to which a client with a policy does not speak.
AS_IN_APP_MESH: Final = ("backend.server-without-tls",)
VARIABLES: Final = {"APP_NAMESPACE": "app", "APPLICATION_NAMESPACE": "app", "MESH_NAME": "mesh"}
# What their readers are told to put in themselves.
BY_HAND: Final = {
    "colorapp-service-ARN": ArnScope().arn("mesh/mesh/virtualService/colorapp.app.svc.cluster.local"),
    "<yelb-appserver virtualServiceARN>": ArnScope().arn("mesh/mesh/virtualService/yelb-appserver"),
}
# Some walkthroughs have it in their text only.
ANY_MESH: Final = (
    f"{{apiVersion: {API_VERSION}, kind: Mesh, metadata: {{name: mesh}}, spec: {{namespaceSelector: {{}}}}}}"
)
SCHEMAS: Final = {
    crd["spec"]["names"]["kind"]: validator_for(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    for crd in mesh_crds()
}
Documents: TypeAlias = dict[tuple[str, str, str], JsonObject]


def main() -> int:
    results = {name: set(problems(texts)) for name, texts in sorted(found_sets(Path(sys.argv[1])).items())}
    for name, found in results.items():
        print(f"{'refused' if found else 'whole  '} {name}", *sorted(found), sep="\n    ")
    print(f"{sum(not found for found in results.values())} of {len(results)} sets are carried out as a whole")
    return int(any(results.values()))


def found_sets(folder: Path) -> Mapping[str, list[str]]:
    files = {path: path.read_text() for path in sorted(folder.rglob("*.y*ml*")) if path.is_file()}
    by_walkthrough: dict[str, dict[str, str]] = {}
    for path, text in files.items():
        name = "/".join(path.relative_to(folder).parts[:2])
        if API_VERSION in text or path.name.startswith("namespace.y"):
            by_walkthrough.setdefault(name, {})[str(path.relative_to(folder))] = text
    return {name: texts for key, found in by_walkthrough.items() for name, texts in alternatives(key, found)}


def alternatives(name: str, texts: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    steps = {path: text for path, text in texts.items() if any(word in path for word in ALTERNATIVES)}
    shared = [text for path, text in texts.items() if path not in steps]
    if not steps and any(API_VERSION in text for text in shared):
        yield name, shared
    for path, text in steps.items():
        yield path, [*shared, text]


def problems(texts: list[str]) -> Iterator[str]:
    try:
        documents: Documents = {key(found): found for found in chain.from_iterable(map(read, texts))}
    except yaml.YAMLError as error:
        yield str(error).replace("\n", " ")
        return
    if not any(map(is_mesh, documents.values())):
        documents |= {key(found): found for found in read(ANY_MESH)}
    documents |= {key(found): found for found in (*labelled_namespaces(documents), *acm_secrets(documents))}
    for document in documents.values():
        if document["apiVersion"] == API_VERSION:
            yield from refusals(document)
    try:
        model = compile_mesh(Snapshot.of(decoded(documents.values())), ArnScope())
    except DecodeError as error:
        yield str(error)
        return
    for proxy in model.proxies.values():
        resources_from_model(proxy, options=EnvoyOptions())
    for found in model.diagnostics:
        if found.code not in AS_IN_APP_MESH:
            yield f"{found.ref}: {found.placed_message}; {found.effect}"


def labelled_namespaces(documents: Documents) -> Iterator[JsonObject]:
    """Those that no file declares."""
    specs = (found.get("spec") or {} for found in documents.values())
    selectors = (spec.get("namespaceSelector") or {} for spec in specs)
    labels = {name: value for one in selectors for name, value in (one.get("matchLabels") or {}).items()}
    for namespace in sorted({namespace for _, namespace, _ in documents} - {""}):
        if ("Namespace", "", namespace) not in documents:
            yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}


def is_mesh(document: JsonObject) -> bool:
    return bool(document["kind"] == "Mesh")


def acm_secrets(documents: Documents) -> Iterator[JsonObject]:
    """One for all ARNs of a namespace."""
    by_namespace: dict[str, set[str]] = {}
    for (_, namespace, _), document in documents.items():
        by_namespace.setdefault(namespace, set()).update(acm_arns(document))
    authority = issue("authority")
    pair = issue("server", authority)
    data = {"tls.crt": pair.certificate_pem, "tls.key": pair.key_pem, "ca.crt": authority.certificate_pem}
    for namespace, arns in by_namespace.items():
        metadata: JsonObject = {"name": "stands-for-acm", "namespace": namespace, "labels": {LABEL: "enabled"}}
        metadata["annotations"] = {ARNS_ANNOTATION: ",".join(sorted(arns))}
        values = {name: base64.b64encode(value).decode() for name, value in data.items()}
        if arns:
            yield {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": values}


def acm_arns(value: object) -> Iterator[str]:
    match value:
        case {"certificateARN": str(arn)}:
            yield arn
        case {"certificateAuthorityARNs": [*arns]}:
            yield from map(str, arns)
        case dict():
            yield from chain.from_iterable(map(acm_arns, value.values()))
        case list():
            yield from chain.from_iterable(map(acm_arns, value))


def decoded(documents: Iterable[JsonObject]) -> list[TypedObject]:
    known = kinds_by_gvk(KINDS)
    return [found for item in documents if (found := decode_known(item, known)) is not None]


def read(text: str) -> Iterator[JsonObject]:
    for blank, value in BY_HAND.items():
        text = text.replace(blank, value)
    filled = re.sub(r"\$\{?(\w+)\}?|\{\{[^}]*\}\}", lambda found: VARIABLES.get(found[1], "x"), text)
    for document in yaml.safe_load_all(filled):
        if document:
            if document["kind"] not in ("Namespace", "Mesh"):
                document["metadata"].setdefault("namespace", "default")
            yield document


def key(document: JsonObject) -> tuple[str, str, str]:
    metadata = document["metadata"]
    return document["kind"], metadata.get("namespace", ""), metadata["name"]


def refusals(document: JsonObject) -> Iterator[str]:
    kind, namespace, name = key(document)
    yield from (f"{kind} {name}: {found.message}" for found in SCHEMAS[kind].iter_errors(document))
    try:
        check_object(AdmissionRequest("", kind, "CREATE", namespace, name, document, {}))
    except (Denied, DecodeError) as denial:
        yield f"{kind} {name}: {denial}"


if __name__ == "__main__":
    sys.exit(main())
