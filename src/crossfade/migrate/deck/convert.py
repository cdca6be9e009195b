"""A declarative configuration → manifests and a report on every entity and field."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from crossfade.check.run import check_files
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.gateway_files.directory import Change, Text
from crossfade.migrate.deck.certificates import made_authorities, made_certificates
from crossfade.migrate.deck.consumers import made_consumers, made_groups
from crossfade.migrate.deck.output import Options, Output
from crossfade.migrate.deck.plugins import made_plugins
from crossfade.migrate.deck.routes import made_routes
from crossfade.migrate.deck.services import made_services
from crossfade.migrate.deck.tree import Tree
from crossfade.migrate.deck.vaults import made_vaults
from crossfade.migrate.deck.writing import texts_of
from crossfade.migrate.report import Entry, Report, Verdict, entries_of, report_of
from crossfade_kube.meta import JsonObject

_NO_MANIFEST: Final = "there is no manifest for these; they are left out"


class Converted(NamedTuple):
    """`texts` are files by name, ready for `kubectl apply` and `crossfade gateway run`."""

    texts: dict[str, str]
    report: Report


def converted(tree: Tree, options: Options, settings: CompileSettings) -> Converted:
    """Raises FileNotFoundError without the policy module."""
    output = Output(options)
    objects = converted_objects(tree, output)
    texts = texts_of(objects)
    checked = check_files(_Texts(texts), settings)
    was = {object_name: entity for entity, names in output.entities.items() for object_name in names}
    entries = (*output.entries, *_others(tree), *entries_of(checked, was))
    return Converted(texts, report_of(output.entities, entries))


def converted_objects(tree: Tree, output: Output) -> list[JsonObject]:
    services = made_services(tree, output)
    routes = made_routes(tree, services, output)
    groups = made_groups(tree, output)
    consumers = made_consumers(tree, groups, output)
    made_certificates(tree, services, routes, output)
    made_authorities(tree, services, output)
    made_vaults(tree, output)
    owners = {
        "route": routes,
        "service": {name: made.object for name, made in services.items()},
        "consumer": consumers,
        "consumer_group": groups,
    }
    made_plugins(tree, owners, output)
    return output.objects


def _others(tree: Tree) -> Iterator[Entry]:
    for name in tree.others:
        yield Entry(name, "", Verdict.REFUSED, _NO_MANIFEST)


class _Texts:
    """As `FileSource` asks for files."""

    name = "the manifests"
    link_targets: frozenset[str] = frozenset()

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    def path_of(self, name: str) -> str:
        return name

    def changes(self, names: Iterable[str] | None) -> dict[str, Change]:
        wanted = self._texts if names is None else names
        return {name: Text(self._texts[name]) for name in wanted}
