"""Finds out which objects a proxy refuses, by asking the proxy itself about parts of what it refused.

Traffic is not touched meanwhile: the proxy keeps what it has, and what it is asked about is never served (see
`envoy.trial`).
"""

from collections.abc import Callable
from typing import NamedTuple

from crossfade.compile.culprits import Search, judged, search
from crossfade.compile.model import ProxyModel
from crossfade.compile.origins import origins_of, without_origins
from crossfade.compile.withheld import Part
from crossfade.envoy.encoding import Unencodable
from crossfade.envoy.names import TRIAL_LISTENER
from crossfade.envoy.resource_set import Resource, ResourceType
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.suspects import part_of, suspects_of
from crossfade.envoy.trial import trial_resource
from crossfade.xds.publisher import Publisher, Rejection
from crossfade.xds.session import Rejected, Verdict
from crossfade_kube.meta import ObjectRef


class Culprit(NamedTuple):
    """`reason` is Envoy's text."""

    ref: ObjectRef
    reason: str


class Finding(NamedTuple):
    """No culprits: the resource is refused whatever it is made of. `node` is the pod that refused it first."""

    proxy: str
    node: str
    kind: ResourceType
    name: str
    reason: str
    culprits: tuple[Culprit, ...]


def finding(rejection: Rejection, culprits: tuple[Culprit, ...]) -> Finding:
    rejected = rejection.rejected
    return Finding(rejection.proxy, rejection.node, rejected.kind, rejected.name, rejected.reason, culprits)


def unencodable_finding(proxy: str, one: Unencodable) -> Finding:
    culprits = tuple(Culprit(ref, one.reason) for ref in one.culprits)
    return Finding(proxy, "", one.kind, one.name, one.reason, culprits)


class _Case:
    """One refused resource of one proxy."""

    def __init__(self, rejection: Rejection, model: ProxyModel, part: Part | None) -> None:
        self.rejection = rejection
        self.model = model
        self.part = part
        self.search: Search[ObjectRef] = search(origins_of(part) if part is not None else ())
        self.reasons: dict[ObjectRef, str] = {}
        self.verdicts: dict[str, str] = {}
        """By version: the reason of a refusal, empty where it was accepted."""

    def judge(self, reason: str) -> None:
        """An empty reason: accepted."""
        before = self.search.guilty
        self.search = judged(self.search, is_refused=bool(reason))
        for ref in self.search.guilty[len(before) :]:
            self.reasons[ref] = reason or self.rejection.rejected.reason

    def resource(self, options: EnvoyOptions) -> Resource:
        assert self.part is not None
        return trial_resource(without_origins(self.part, self.search.left_out), self.model, options)

    def finding(self) -> Finding:
        return finding(self.rejection, tuple(Culprit(ref, self.reasons[ref]) for ref in self.search.guilty))


class Inquiry:
    """Belongs to one event loop. Several proxies are asked at the same time, each about one thing after the other."""

    def __init__(self, publisher: Publisher, options: EnvoyOptions, *, on_found: Callable[[Finding], None]) -> None:
        self._publisher = publisher
        self._options = options
        self._on_found = on_found
        self._cases: dict[str, list[_Case]] = {}

    def open(self, rejection: Rejection, model: ProxyModel) -> None:
        """`model` is what the proxy was given when it refused."""
        culprits = _obvious(rejection, model)
        if culprits is not None:
            self._on_found(finding(rejection, culprits))
            return
        cases = self._cases.setdefault(rejection.proxy, [])
        if any(_is_same(case.rejection, rejection) for case in cases):
            return
        cases.append(_Case(rejection, model, part_of(model, rejection.rejected.kind, rejection.rejected.name)))
        if len(cases) == 1:
            self._go_on(rejection.proxy)

    def drop(self, proxy: str) -> None:
        """The proxy is gone."""
        self._cases.pop(proxy, None)

    def record(self, proxy: str, verdict: Verdict) -> None:
        """On what was tried last, or before that."""
        cases = self._cases.get(proxy)
        if not cases:
            return
        if isinstance(verdict, Rejected):
            # Without Envoy's introduction, which names the listener that only we know.
            reason = verdict.reason.rpartition(f"{TRIAL_LISTENER}: ")[2].strip()
            cases[0].verdicts[verdict.resource.version] = reason or "refused"
        else:
            for resource in verdict.resources.values():
                cases[0].verdicts[resource.version] = ""
        self._go_on(proxy)

    def _go_on(self, proxy: str) -> None:
        while cases := self._cases.get(proxy):
            case = cases[0]
            while not case.search.is_over:
                reason = self._verdict(proxy, case)
                if reason is None:
                    return
                case.judge(reason)
            cases.pop(0)
            self._publisher.try_out(proxy, None)
            self._on_found(case.finding())
        self._cases.pop(proxy, None)

    def _verdict(self, proxy: str, case: _Case) -> str | None:
        """None: the proxy has been asked. What cannot even be encoded needs no asking."""
        try:
            resource = case.resource(self._options)
        except Exception as exc:
            return f"it cannot be encoded ({type(exc).__name__})"
        known = case.verdicts.get(resource.version)
        if known is None:
            self._publisher.try_out(proxy, resource)
        return known


def _is_same(one: Rejection, other: Rejection) -> bool:
    """Replicas of one proxy refuse the same thing."""
    first, second = one.rejected, other.rejected
    return (first.kind, first.name, first.resource.version) == (second.kind, second.name, second.resource.version)


def _obvious(rejection: Rejection, model: ProxyModel) -> tuple[Culprit, ...] | None:
    """None: several objects are suspects."""
    rejected = rejection.rejected
    suspects = suspects_of(model, rejected.kind, rejected.name)
    return tuple(Culprit(ref, rejected.reason) for ref in suspects) if len(suspects) < 2 else None
