"""Which object attached a plugin to a request (kong.md §4.1, §4.3)."""

from collections.abc import Mapping
from typing import Final

from crossfade.compile.gateway.compiler import KongEntities
from crossfade.compile.gateway.route_policies import (
    RANK_GLOBAL,
    RANK_ROUTE,
    RANK_ROUTE_CONSUMER,
    RANK_ROUTE_GROUP,
    RANK_SERVICE,
    RANK_SERVICE_CONSUMER,
    RANK_SERVICE_GROUP,
)
from crossfade.compile.gateway.state import KongRoute, KongService
from crossfade.compile.routing import tables
from crossfade.policy_module.rehearsal import TakingPart
from crossfade_kube.meta import ObjectRef

_ANNOTATION: Final = "annotation konghq.com/plugins of {0}"
_OF_CONSUMERS: Final = f"{_ANNOTATION}, for consumers that refer to it too"
_OF_GROUPS: Final = f"{_ANNOTATION}, for members of groups that refer to it too"
_OF_ROUTES: Final = {RANK_ROUTE: _ANNOTATION, RANK_ROUTE_CONSUMER: _OF_CONSUMERS, RANK_ROUTE_GROUP: _OF_GROUPS}
_OF_SERVICES: Final = {RANK_SERVICE: _ANNOTATION, RANK_SERVICE_CONSUMER: _OF_CONSUMERS, RANK_SERVICE_GROUP: _OF_GROUPS}


def attached_by(
    route: tables.Route,
    kong: tuple[KongRoute, KongService],
    taking: TakingPart,
    carried_by_groups: Mapping[str, ObjectRef],
) -> str:
    candidates = [one for step in route.steps if step.order == taking.order for one in step.candidates]
    rank = next((one.rank for one in candidates if one.instance == taking.instance), None)
    if rank in _OF_ROUTES:
        return _OF_ROUTES[rank].format(kong[0].origin.ref)
    if rank in _OF_SERVICES:
        return _OF_SERVICES[rank].format(kong[1].cluster.origin.ref)
    if rank == RANK_GLOBAL:
        return "label global: true"
    return _ANNOTATION.format(carried_by_groups.get(taking.instance, "the consumer"))


def kong_of(entities: KongEntities) -> dict[str, tuple[KongRoute, KongService]]:
    """By the route's id."""
    return {route.id: (route, service) for route, service in entities.placed}
