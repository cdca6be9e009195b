"""A container's environment, command line and identity, from its spec: pure, given the objects that the spec names."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.catalogue import Image, User
from crossfade_local.kubelet.privileges import ROOT_CAPABILITIES, Identity
from crossfade_local.namespaces import CAPABILITIES
from crossfade_local.withheld import MACHINE_CAPABILITIES

_REFERENCE: Final = re.compile(r"\$\$|\$\(([^()\s]+)\)")
_SUBSCRIPT: Final = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")
_NAME: Final = re.compile(r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")


class ConfigError(Exception):
    """The container cannot be created as specified; shown as CreateContainerConfigError."""


class PodFacts(NamedTuple):
    """What field references resolve to besides the pod's own object."""

    pod: JsonObject
    pod_ip: str
    host_ip: str


class DataSources(NamedTuple):
    """Data of the config maps and secrets (already decoded to text) in the pod's namespace, by name."""

    config_maps: Mapping[str, Mapping[str, str]]
    secrets: Mapping[str, Mapping[str, str]]


class Command(NamedTuple):
    argv: tuple[str, ...]
    workdir: str


def sources_named(pod_spec: JsonObject) -> tuple[set[str], set[str]]:
    """Names of the config maps and of the secrets that the containers' environments refer to."""
    config_maps: set[Any] = set()
    secrets: set[Any] = set()
    for container in all_containers(pod_spec):
        for item in container.get("envFrom") or ():
            config_maps.add((item.get("configMapRef") or {}).get("name"))
            secrets.add((item.get("secretRef") or {}).get("name"))
        for variable in container.get("env") or ():
            source = variable.get("valueFrom") or {}
            config_maps.add((source.get("configMapKeyRef") or {}).get("name"))
            secrets.add((source.get("secretKeyRef") or {}).get("name"))
    return config_maps - {None}, secrets - {None}


def all_containers(pod_spec: JsonObject) -> list[JsonObject]:
    return [*(pod_spec.get("initContainers") or ()), *pod_spec["containers"]]


def build_env(
    container: JsonObject, *, base: Mapping[str, str], facts: PodFacts, sources: DataSources
) -> dict[str, str]:
    """Raises ConfigError in Kubernetes' words where a required source is missing."""
    env = dict(base)
    for item in container.get("envFrom") or ():
        env.update(_from_source(item, facts, sources))
    for variable in container.get("env") or ():
        source = variable.get("valueFrom")
        plain = expand(variable.get("value") or "", env)
        value = _value_from(source, container, facts, sources) if source else plain
        if value is not None:
            env[variable["name"]] = value
    return env


def build_command(container: JsonObject, image: Image, env: Mapping[str, str]) -> Command:
    """`command` replaces the image's argv, `args` are appended; $(NAME) is replaced from the environment."""
    entry = container.get("command")
    argv = [expand(word, env) for word in entry] if entry else list(image.argv)
    argv += [expand(word, env) for word in container.get("args") or ()]
    return Command(argv=tuple(argv), workdir=container.get("workingDir") or image.workdir)


def build_identity(container: JsonObject, pod_spec: JsonObject, user: User) -> Identity:
    """`user` is the image's. Raises ConfigError when `runAsNonRoot` forbids the uid."""
    of_pod = pod_spec.get("securityContext") or {}
    of_container = container.get("securityContext") or {}
    merged = {**of_pod, **{key: value for key, value in of_container.items() if value is not None}}
    uid = int(merged.get("runAsUser", user.uid))
    if merged.get("runAsNonRoot") and uid == 0:
        raise ConfigError("container has runAsNonRoot and image will run as root")
    gid = int(merged.get("runAsGroup", 0 if "runAsUser" in merged else user.gid))
    groups = [gid, *of_pod.get("supplementalGroups", ())]
    if "fsGroup" in of_pod:
        groups.append(int(of_pod["fsGroup"]))
    return Identity(
        uid=uid,
        gid=gid,
        groups=tuple(dict.fromkeys(groups)),
        capabilities=_capabilities(of_container),
        may_gain_privileges=of_container.get("allowPrivilegeEscalation") is not False,
        is_filtered=_is_filtered(merged),
    )


def expand(text: str, env: Mapping[str, str]) -> str:
    """`$(NAME)` becomes the value, `$$` one dollar; an unknown name stays as written."""

    def replacement(match: re.Match[str]) -> str:
        name = match.group(1)
        return "$" if name is None else env.get(name, match.group(0))

    return _REFERENCE.sub(replacement, text)


def field_value(path: str, facts: PodFacts) -> str:
    """The downward API's `fieldRef`; raises ConfigError for a path it does not have."""
    metadata, spec = facts.pod["metadata"], facts.pod["spec"]
    simple = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.podIP": facts.pod_ip,
        "status.podIPs": facts.pod_ip,
        "status.hostIP": facts.host_ip,
        "status.hostIPs": facts.host_ip,
    }
    if path in simple:
        return str(simple[path])
    if path in ("metadata.labels", "metadata.annotations"):
        pairs = metadata.get(path.removeprefix("metadata.")) or {}
        return "\n".join(f'{key}="{_quoted(value)}"' for key, value in sorted(pairs.items()))
    if match := _SUBSCRIPT.match(path):
        return str((metadata.get(match.group(1)) or {}).get(match.group(2), ""))
    raise ConfigError(f"unsupported fieldPath: {path}")


def resource_value(reference: JsonObject, container: JsonObject) -> str:
    """The downward API's `resourceFieldRef`; without a limit the machine's own size stands in."""
    kind, _, name = reference["resource"].partition(".")
    resources = container.get("resources") or {}
    quantity = (resources.get(kind) or {}).get(name) or (
        (resources.get("limits") or {}).get(name) if kind == "requests" else None
    )
    if quantity is None:
        return "0" if kind == "requests" else _MACHINE_DEFAULT.get(name, "0")
    divisor = parse_quantity(str(reference.get("divisor") or "1")) or 1.0
    return str(-int(-parse_quantity(str(quantity)) // divisor))


_MACHINE_DEFAULT: Final = {"cpu": "1", "memory": str(4 * 1024**3), "ephemeral-storage": str(10 * 1024**3)}
_SUFFIXES: Final = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip


def parse_quantity(text: str) -> float:
    """A Kubernetes quantity as a number; raises ConfigError."""
    number = text.rstrip("niukMGTPEm") if not text[-1:].isdigit() else text
    suffix = text[len(number) :]
    try:
        return float(number) * (_SUFFIXES[suffix] if suffix else 1.0)
    except (ValueError, KeyError):
        raise ConfigError(f"invalid quantity: {text}") from None


def _from_source(item: JsonObject, facts: PodFacts, sources: DataSources) -> Iterable[tuple[str, str]]:
    kind, known = ("configMapRef", sources.config_maps) if "configMapRef" in item else ("secretRef", sources.secrets)
    reference: JsonObject = item.get(kind) or {}
    data = known.get(reference.get("name", ""))
    if data is None:
        if reference.get("optional"):
            return []
        raise ConfigError(_not_found(kind, reference.get("name", ""), facts))
    prefix = item.get("prefix") or ""
    return [(prefix + key, value) for key, value in sorted(data.items()) if _NAME.match(prefix + key)]


def _value_from(source: JsonObject, container: JsonObject, facts: PodFacts, sources: DataSources) -> str | None:
    if reference := source.get("fieldRef"):
        return field_value(reference["fieldPath"], facts)
    if reference := source.get("resourceFieldRef"):
        return resource_value(reference, container)
    for kind, known in (("configMapKeyRef", sources.config_maps), ("secretKeyRef", sources.secrets)):
        if reference := source.get(kind):
            return _key_value(kind, reference, known, facts)
    raise ConfigError(f"unsupported valueFrom: {', '.join(source)}")


def _key_value(kind: str, reference: JsonObject, known: Mapping[str, Mapping[str, str]], facts: PodFacts) -> str | None:
    name, key = reference.get("name", ""), reference["key"]
    data = known.get(name)
    if data is not None and key in data:
        return data[key]
    if reference.get("optional"):
        return None
    if data is None:
        raise ConfigError(_not_found(kind, name, facts))
    what = "ConfigMap" if kind == "configMapKeyRef" else "Secret"
    raise ConfigError(f"couldn't find key {key} in {what} {facts.pod['metadata']['namespace']}/{name}")


def _not_found(kind: str, name: str, _facts: PodFacts) -> str:
    return f'{"configmap" if kind.startswith("configMap") else "secret"} "{name}" not found'


def _capabilities(security: JsonObject) -> frozenset[str]:
    if security.get("privileged"):
        return frozenset(CAPABILITIES) - MACHINE_CAPABILITIES
    changes: dict[str, Any] = security.get("capabilities") or {}
    dropped = {name.upper().removeprefix("CAP_") for name in changes.get("drop") or ()}
    added = {name.upper().removeprefix("CAP_") for name in changes.get("add") or ()}
    kept = frozenset() if "ALL" in dropped else ROOT_CAPABILITIES - dropped
    return (frozenset(CAPABILITIES) if "ALL" in added else kept | added) - MACHINE_CAPABILITIES


def _is_filtered(security: JsonObject) -> bool:
    profile = security.get("seccompProfile") or {}
    if profile.get("type") == "Localhost":
        wanted = profile.get("localhostProfile", "")
        raise ConfigError(f'seccomp profile "{wanted}": the embedded cluster has RuntimeDefault and Unconfined only')
    return profile.get("type") == "RuntimeDefault" and not security.get("privileged")


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
