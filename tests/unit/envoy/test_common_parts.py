"""What is encoded once for many proxies is what each would get alone."""

from msgspec import structs

from crossfade.compile.mesh import ArnScope, compile_mesh
from crossfade.compile.model import Cluster, Listener, ProxyModel
from crossfade.compile.routing.origin import Origin
from crossfade.envoy.common_parts import CommonParts
from crossfade.envoy.resource_set import ResourceSet, ResourceType
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import ObjectRef
from tests.support.hostile_appmesh import good_objects

ELSEWHERE = Origin(ObjectRef("v1", "Test", "demo", "elsewhere"))


def resources(model: ProxyModel, common: CommonParts) -> ResourceSet:
    return resources_from_model(model, options=EnvoyOptions(), common=common)


def models() -> dict[str, ProxyModel]:
    return dict(compile_mesh(Snapshot.of(good_objects().values()), ArnScope()).proxies)


def test_proxies_of_a_mesh_get_what_each_would_get_alone() -> None:
    common = CommonParts()
    for model in models().values():
        assert resources(model, common) == resources(model, CommonParts())


def elsewhere(model: ProxyModel) -> ProxyModel:
    def cluster(one: Cluster) -> Cluster:
        return structs.replace(one, origin=ELSEWHERE)

    def listener(one: Listener) -> Listener:
        chains = tuple(structs.replace(chain, origin=ELSEWHERE) for chain in one.chains)
        return structs.replace(one, chains=chains)

    return structs.replace(
        model, clusters=tuple(map(cluster, model.clusters)), listeners=tuple(map(listener, model.listeners))
    )


def test_parts_that_differ_in_their_origin_alone_are_encoded_once() -> None:
    common = CommonParts()
    for model in models().values():
        first, second = resources(model, common), resources(elsewhere(model), common)
        for kind in (ResourceType.CLUSTER, ResourceType.LISTENER):
            assert all(second.of(kind)[name] is resource for name, resource in first.of(kind).items())


def test_a_part_that_differs_otherwise_is_encoded_for_itself() -> None:
    common, model = CommonParts(), models()["mesh/m/virtualNode/caller_prod"]
    (other, *rest) = model.listeners
    different = structs.replace(model, listeners=(structs.replace(other, port=other.port + 1), *rest))
    first, second = resources(model, common), resources(different, common)
    assert first.of(ResourceType.LISTENER)[other.name] != second.of(ResourceType.LISTENER)[other.name]
    assert second == resources(different, CommonParts())
