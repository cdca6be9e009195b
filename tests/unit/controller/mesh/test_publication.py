"""What a proxy is given when a part of its model cannot be encoded."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from msgspec import structs

from crossfade.certs.identities import IssuedIdentity, issue_identity, renewed_authority
from crossfade.compile.mesh import MeshModel
from crossfade.compile.model import Cluster, Discovery, Endpoint, Identity, Issued, ProxyModel
from crossfade.compile.routing.matches import RouteMatch
from crossfade.controller.mesh.publication import MeshPublication
from crossfade.envoy.names import COUNTS_MODULE
from crossfade.envoy.resource_set import ResourceType
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.xds.inquiry import Finding
from crossfade_kube.meta import ObjectRef
from tests.support.models import ORIGIN, answer, local_cluster, proxy_model

PATH = "mesh/m/virtualNode/n"
OWNER = ObjectRef("appmesh.k8s.aws/v1beta2", "VirtualNode", "prod", "n")
GOOD = proxy_model(answer("ok", RouteMatch()), clusters=(local_cluster("a", 1),))
BAD_CLUSTER = Cluster("a", Discovery.EDS, (Endpoint("127.0.0.1", 1 << 40),), ORIGIN)
BAD = proxy_model(answer("other", RouteMatch()), clusters=(BAD_CLUSTER,))


def mesh(proxies: dict[str, ProxyModel]) -> MeshModel:
    return MeshModel(proxies, {PATH: OWNER}, {}, ())


def encoded(model: ProxyModel, kind: ResourceType) -> object:
    return resources_from_model(model, options=EnvoyOptions()).of(kind)


async def test_the_last_good_version_of_a_part_stands_in_for_the_one_that_cannot_be_encoded() -> None:
    findings: list[Finding] = []
    publication = MeshPublication(on_found=findings.append)
    assert publication.publish(mesh({PATH: GOOD}), 0) == []
    (fault,) = publication.publish(mesh({PATH: BAD}), 0)
    assert (fault.ref, fault.field) == (OWNER, "a")
    found = publication.publisher.effective(PATH)
    assert found is not None
    for kind in (ResourceType.CLUSTER, ResourceType.ENDPOINTS):
        assert found.of(kind) == encoded(GOOD, kind)
    assert found.of(ResourceType.ROUTES) == encoded(ProxyModel(route_tables=BAD.route_tables), ResourceType.ROUTES)
    publication.blame()
    (finding,) = findings
    assert [culprit.ref for culprit in finding.culprits] == [ORIGIN.ref]
    assert finding.reason == "it cannot be encoded (ValueError)"


async def test_a_proxy_that_could_not_be_compiled_keeps_what_it_has() -> None:
    publication = MeshPublication(on_found=lambda _: None)
    publication.publish(mesh({PATH: GOOD}), 0)
    before = publication.publisher.effective(PATH)
    publication.publish(mesh({}), 0)
    assert publication.publisher.effective(PATH) == before is not None
    publication.publish(MeshModel({}, {}, {}, ()), 0)
    assert publication.publisher.effective(PATH) is None


class Given:
    """Gives what is in `issued`."""

    def __init__(self) -> None:
        self.issued: dict[Identity, IssuedIdentity] = {}
        self.kept: set[Identity] = set()

    def of(self, identity: Identity) -> IssuedIdentity | None:
        return self.issued.get(identity)

    def keep_only(self, wanted: Iterable[Identity]) -> None:
        self.kept = set(wanted)


def issued(spiffe_id: str) -> IssuedIdentity:
    now, day = datetime(2026, 11, 28, tzinfo=UTC), timedelta(days=1)
    authority = renewed_authority(None, None, identity_lifetime=day, now=now)
    return issue_identity(authority, spiffe_id, lifetime=day, now=now)


async def test_a_proxy_keeps_what_it_has_until_there_is_its_identity_and_gets_no_other_one() -> None:
    own, other = Identity("spiffe://m/ns/prod/virtual-node/n"), Identity("spiffe://m/ns/prod/virtual-node/o")
    given = Given()
    publication = MeshPublication(on_found=lambda _: None, identities=given)
    publication.publish(mesh({PATH: GOOD}), 0)
    before = publication.publisher.effective(PATH)
    given.issued = {other: issued(other.spiffe_id)}
    proxies = {PATH: structs.replace(GOOD, identity=own)}
    publication.publish(mesh(proxies), 0)
    assert publication.publisher.effective(PATH) == before is not None
    given.issued[own] = issued(own.spiffe_id)
    publication.publish(mesh(proxies), 0)
    first = publication.publisher.effective(PATH)
    assert first is not None
    assert set(first.of(ResourceType.SECRET)) == set(Issued)
    assert b"virtual-node/o" not in first.of(ResourceType.SECRET)[Issued.IDENTITY].framed
    given.issued[own] = issued(own.spiffe_id)
    publication.publish(mesh(proxies), 0)
    second = publication.publisher.effective(PATH)
    assert second is not None
    assert second.of(ResourceType.SECRET) != first.of(ResourceType.SECRET)
    for kind in ResourceType:
        assert kind is ResourceType.SECRET or second.of(kind) == first.of(kind)
    assert given.kept == {own}
    # What the proxy has goes on, and other changes reach it.
    given.issued.clear()
    changed = ProxyModel(GOOD.listeners, BAD.route_tables, GOOD.clusters, identity=own)
    publication.publish(mesh({PATH: changed}), 0)
    third = publication.publisher.effective(PATH)
    assert third is not None
    assert third.of(ResourceType.SECRET) == second.of(ResourceType.SECRET)
    assert third.of(ResourceType.ROUTES) != second.of(ResourceType.ROUTES)


async def test_proxies_that_bring_the_library_are_shown_listeners_that_need_it() -> None:
    publication = MeshPublication(on_found=lambda _: None)
    publication.publish(mesh({PATH: GOOD}), 0)
    older, newer = (publication.publisher.connect(PATH) for _ in range(2))
    newer.introduce("prod/pod", {}, {COUNTS_MODULE})
    assert older.resources is not None
    assert newer.resources is not None
    (own,) = older.resources.of(ResourceType.LISTENER).values()
    (shown,) = newer.resources.of(ResourceType.LISTENER).values()
    assert (own.published, shown.published) == (None, own)
