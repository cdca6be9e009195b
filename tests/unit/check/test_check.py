"""What `crossfade check` finds in manifests, and where."""

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.check.run import Checked, Finding, check_files
from crossfade.compile.diagnostics import Severity
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.gateway_files.given import GivenFiles, NotThere
from tests.unit.check.manifests import MESH, NODE
from tests.unit.gateway_files.manifests import CONSUMER, INGRESS, PLUGIN, SERVICE

SHOP = f"{SERVICE}---\n{INGRESS % '/shop'}---\n{PLUGIN % 5}"
ROUTER = """\
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualRouter
metadata: {name: web, namespace: prod}
spec:
  listeners: [{portMapping: {port: 80, protocol: http}}]
  routes:
  - name: all
    httpRoute:
      match: {prefix: /}
      action: {weightedTargets: [{virtualNodeRef: {name: %s}, weight: 1}]}
"""


def check(text: str, ingress_class: str = "kong", compat: str = "kong-3") -> Checked:
    files = GivenFiles(["-"], stdin=io.StringIO(text))
    return check_files(files, CompileSettings(ingress_class=ingress_class, compat=compat))


def only(checked: Checked) -> Finding:
    (finding,) = checked.findings
    return finding


@pytest.mark.parametrize("text", [SHOP, f"{MESH}---\n{NODE}", f"{SHOP}---\n{MESH}---\n{NODE}", "", "# nothing\n"])
def test_nothing_is_said_of_what_is_in_order(text: str) -> None:
    assert check(text).findings == ()


@pytest.mark.parametrize(
    ("text", "line", "severity", "code", "subject", "field"),
    [
        (PLUGIN % 0, 5, "error", "object.invalid", "KongPlugin default/limit", "config.minute"),
        (PLUGIN % 5 + "protocol: [http]\n", 6, "warning", "field.unknown", "KongPlugin default/limit", "protocol"),
        (PLUGIN % 5 + "disabled: perhaps\n", 6, "error", "object.invalid", "KongPlugin default/limit", "disabled"),
        (CONSUMER.replace("kubernetes.io/ingress.class: kong", "") % ("ann", "ann"), 3, "warning", "class.none",
         "KongConsumer default/ann", "metadata"),
        (CONSUMER.replace("class: kong", "class: other") % ("ann", "ann"), 3, "note", "class.other",
         "KongConsumer default/ann", "metadata.annotations[kubernetes.io/ingress.class]"),
        (f"{SHOP.replace('ingressClassName: kong', 'ingressClassName: nginx')}", 17, "note", "class.other",
         "Ingress default/web", "spec.ingressClassName"),
        (f"{SERVICE}---\n{INGRESS % '/~/('}---\n{PLUGIN % 5}", 21, "error", "ingress.invalid-path",
         "Ingress default/web", "spec.rules[0].http.paths[0].path"),
        (f"{SHOP}---\n{PLUGIN % 6}", 29, "warning", "object.duplicate", "KongPlugin default/limit", ""),
        (f"{MESH}---\n{NODE}    helthCheck: {{}}\n", 18, "warning", "field.unknown", "VirtualNode prod/web",
         "spec.listeners[0].helthCheck"),
        (f"{MESH}---\n{NODE.replace('serviceDiscovery', '# ')}", 13, "error", "object.invalid", "VirtualNode prod/web",
         "spec"),
        (f"{MESH}---\n{NODE}---\n{ROUTER % 'gone'}", 28, "error", "route.unknown-target", "VirtualRouter prod/web",
         "spec.routes[0].httpRoute.action.weightedTargets[0]"),
        (f"{MESH}---\n{NODE.replace('port: 9080', 'port: 0')}", 17, "error", "object.invalid", "VirtualNode prod/web",
         "spec.listeners[0].portMapping.port"),
        ("apiVersion: x.io/v1\nkind: X\nmetadata: {name: x}", 1, "warning", "kind.unread", "X x", ""),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}", 1, "note", "kind.unread", "Deployment x", ""),
        ("apiVersion: configuration.konghq.com/v1alpha1\nkind: KongLicense\nmetadata: {name: x}", 1, "warning",
         "kind.unread", "KongLicense x", ""),
        ("kind: X\nmetadata: {name: x}", 1, "error", "object.invalid", "", ""),
        ("a: [", 1, "error", "file.unreadable", "", ""),
    ],
)  # fmt: skip
def test_each_finding_has_its_place(text: str, line: int, severity: str, code: str, subject: str, field: str) -> None:
    found = [each for each in check(text).findings if each.code == code]
    assert [(each.line, each.severity, str(each.ref or ""), each.field) for each in found][:1] == [
        (line, severity, subject, field)
    ]
    assert found[0].message


def test_endpoints_of_a_service_that_selects_pods_are_not_missed() -> None:
    service, _, _ = SERVICE.partition("---\n")
    selecting = service.replace("spec: {", "spec: {selector: {app: web}, ")
    rest = f"---\n{INGRESS % '/shop'}---\n{PLUGIN % 5}"
    assert check(selecting + rest).findings == ()
    assert only(check(service + rest)).code == "service.no-endpoints"
    without_address = SERVICE.replace("addresses: [127.0.0.1]", "addresses: [127.0.0.1], conditions: {ready: false}")
    assert only(check(without_address.replace("spec: {", "spec: {selector: {app: web}, ") + rest)).code == (
        "service.no-endpoints"
    )


def test_what_was_refused_says_what_follows_and_what_to_do() -> None:
    finding = only(check(f"{SERVICE}---\n{INGRESS % '/x'}"))
    assert finding.code == "plugin.not-found"
    assert finding.effect.startswith("requests to the routes concerned are answered 503")
    assert finding.hint.startswith("create KongPlugin default/limit")


def test_a_namespace_that_is_not_given_is_taken_to_be_in_the_only_mesh() -> None:
    alone = MESH.partition("---\n")[2]
    finding = only(check(f"{alone}---\n{NODE}"))
    assert (finding.code, finding.severity) == ("namespace.assumed", Severity.NOTE)
    other = alone.replace("name: shop", "name: other")
    codes = {each.code for each in check(f"{alone}---\n{other}---\n{NODE}").findings}
    assert codes == {"mesh.no-membership"}


def test_the_class_is_the_one_that_is_asked_for() -> None:
    text = SHOP.replace("ingressClassName: kong", "ingressClassName: internal")
    assert check(text, ingress_class="internal").findings == ()


def test_compat_decides_what_a_path_is() -> None:
    text = f"{SERVICE}---\n{INGRESS % '/a(b'}---\n{PLUGIN % 5}".replace(
        "pathType: Prefix", "pathType: ImplementationSpecific"
    )
    assert check(text).findings == ()
    assert only(check(text, compat="kong-2.1")).code == "ingress.invalid-path"


def test_directories_files_and_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.yaml").write_text(SERVICE)
    (tmp_path / "deep" / "b.yml").write_text(INGRESS % "/x")
    (tmp_path / "note.txt").write_text("no manifest")
    (tmp_path / "odd.json").write_bytes(b"\xff")
    arguments = [str(tmp_path), str(tmp_path / "a.yaml"), "-"]
    checked = check_files(GivenFiles(arguments, stdin=io.StringIO(PLUGIN % 5), is_deep=True), CompileSettings())
    assert [(each.path, each.message) for each in checked.findings] == [
        (f"{tmp_path}/odd.json", "cannot be read: not UTF-8 text")
    ]
    assert (checked.files, checked.objects) == (4, 4)
    flat = check_files(GivenFiles([str(tmp_path)], stdin=io.StringIO()), CompileSettings())
    assert flat.files == 2
    with pytest.raises(NotThere, match="nowhere: no such file or directory"):
        GivenFiles(["nowhere"], stdin=io.StringIO())


def test_secrets_are_not_quoted() -> None:
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: key, labels: {konghq.com/credential: key-auth}}\n"
    found = check(f"{text}stringData: {{kee: s3cret-value}}\n---\n{CONSUMER % ('a', 'a')}credentials: [key]\n").findings
    assert found
    assert "s3cret-value" not in repr(found)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(
    [
        ("configuration.konghq.com/v1", "KongPlugin"),
        ("configuration.konghq.com/v1", "KongConsumer"),
        ("configuration.konghq.com/v1", "KongIngress"),
        ("networking.k8s.io/v1", "Ingress"),
        ("appmesh.k8s.aws/v1beta2", "VirtualNode"),
        ("appmesh.k8s.aws/v1beta2", "Mesh"),
        ("appmesh.k8s.aws/v1beta2", "GatewayRoute"),
        ("v1", "Secret"),
    ]
)


@settings(max_examples=60, deadline=None)
@given(TYPES, st.dictionaries(st.sampled_from(["spec", "metadata", "plugin", "config", "data", "x"]), VALUES))
def test_whatever_is_given_is_judged(kind: tuple[str, str], rest: dict[str, object]) -> None:
    import yaml

    document = {"metadata": {"name": "x"}, **rest, "apiVersion": kind[0], "kind": kind[1]}
    checked = check(yaml.safe_dump(document, allow_unicode=False))
    assert checked.files == 1
    assert not [each for each in checked.findings if each.code == "internal.fault"]
