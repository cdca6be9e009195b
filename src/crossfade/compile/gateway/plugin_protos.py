"""The .proto files that plugins name: ConfigMaps labelled `crossfade.dev/protos` (kong.md §5.22).

A plugin of a namespace finds files there, then in the gateway's own; one of the cluster only in the latter.
"""

from typing import Final

from crossfade.api.kong.plugin import AnyKongPlugin, KongClusterPlugin, KongPlugin
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.memo import Memo
from crossfade.compile.policies.grpc_gateway.bindings import transcoding
from crossfade.compile.policies.grpc_gateway.files import LABEL, SUFFIX, Finder, ProtoFiles
from crossfade.compile.policies.grpc_gateway.plan import PLUGIN
from crossfade.compile.policies.grpc_gateway.tokens import MissingFileError, ProtoError
from crossfade.compile.policies.plugin import ModuleStep, ProtoFile
from crossfade.compile.policies.registry import Accepted, Refused, module_problem
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.config_map import ConfigMap
from crossfade_kube.registry import typed_ref

SELECTOR: Final = f"{LABEL}=true"
NAMING_FILES: Final = frozenset({PLUGIN.name})
_MOST_NAMED: Final = 5


class ProtoConfigMap(ConfigMap, frozen=True):
    """A ConfigMap of such files: watched apart from others, and only where a plugin names a file."""


def names_files(snapshot: Snapshot) -> bool:
    """Whether a plugin may."""
    plugins: tuple[AnyKongPlugin, ...] = (*snapshot.all(KongPlugin), *snapshot.all(KongClusterPlugin))
    return any(item.plugin in NAMING_FILES for item in plugins)


def proto_files(snapshot: Snapshot, memo: Memo, diagnostics: Diagnostics) -> ProtoFiles:
    """The very same mapping as long as none of the ConfigMaps changes."""
    maps, apart = snapshot.all(ConfigMap), snapshot.all(ProtoConfigMap)
    return memo.of("proto files", (maps, apart), lambda found: _by_namespace((*maps, *apart), found), diagnostics)


def _by_namespace(maps: tuple[ConfigMap, ...], diagnostics: Diagnostics) -> ProtoFiles:
    """Of files of one name the first ConfigMap's counts, in the order of their names."""
    labelled = {item.metadata.key: item for item in maps if item.metadata.labels.get(LABEL) == "true"}
    files: dict[str, dict[str, str]] = {}
    for _, item in sorted(labelled.items()):
        known = files.setdefault(item.metadata.namespace, {})
        for name, text in item.data.items():
            if not name.endswith(SUFFIX):
                continue
            if name in known:
                diagnostics.warning(
                    typed_ref(item),
                    "protos.duplicate",
                    f"another ConfigMap of the namespace has a file {name} too",
                    effect="this one's is not used",
                    hint="keep one of them",
                    field=f"data.{name}",
                )
            known.setdefault(name, text)
    return files


def with_transcoding(
    accepted: Accepted, item: AnyKongPlugin, files: ProtoFiles, own_namespace: str
) -> Accepted | Refused:
    """What names no file stays as it is. Without `own_namespace`, where no cluster is, all of them are looked into."""
    named = next((step for step in accepted.steps if isinstance(step, ProtoFile)), None)
    if named is None:
        return accepted
    namespaces = [item.metadata.namespace, own_namespace] if own_namespace else [item.metadata.namespace, "", *files]
    if own_namespace and isinstance(item, KongClusterPlugin):
        namespaces = [own_namespace]
    finder = Finder(files, namespaces)
    try:
        found = transcoding(named.path, finder.find)
    except ProtoError as problem:
        is_missing = isinstance(problem, MissingFileError)
        hint = _hint(finder, namespaces if own_namespace else []) if is_missing else "correct the file"
        return Refused(str(problem), hint, "config.proto", is_schema_violation=False)
    step = ModuleStep(found.config)
    refused = module_problem(accepted.plugin.name, step)
    if refused is not None:
        return Refused(refused, "correct the file", "config.proto", is_schema_violation=False)
    return Accepted(accepted.plugin, (step,), (*accepted.warnings, *found.warnings))


def _hint(finder: Finder, namespaces: list[str]) -> str:
    """`namespaces` are those that were looked into, in a cluster."""
    known = finder.known()
    shown = ", ".join(known[:_MOST_NAMED]) + (", …" if len(known) > _MOST_NAMED else "")
    where = f'in a ConfigMap with the label {LABEL}: "true"'
    if namespaces:
        where += f" in namespace {' or '.join(dict.fromkeys(namespaces))}"
    else:
        where = f"beside the manifests, or {where}"
    return f"put it under its name {where}; what is there: {shown or 'no file'}"
