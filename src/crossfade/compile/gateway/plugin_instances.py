"""Plugin objects → instances, each with the verdict on it: what runs, or why it must not (kong.md §1.3)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from crossfade.api.kong.plugin import AnyKongPlugin, KongClusterPlugin, KongPlugin
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway import annotations as notes
from crossfade.compile.gateway.authorities import Authorities
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.compile.gateway.plugin_authorities import LOOKING_AT_CERTIFICATES, with_authorities
from crossfade.compile.gateway.plugin_config import ConfigError, plugin_config, secret_texts_of, secrets_of
from crossfade.compile.gateway.plugin_fields import unheeded_fields
from crossfade.compile.gateway.plugin_protos import NAMING_FILES, with_transcoding
from crossfade.compile.gateway.route_policies import Instance
from crossfade.compile.gateway.vaults import Vaults, secrets_behind
from crossfade.compile.isolate import isolated
from crossfade.compile.memo import Memo
from crossfade.compile.policies.grpc_gateway.files import ProtoFiles
from crossfade.compile.policies.references import Resolved, UnresolvableError, references_in, resolved
from crossfade.compile.policies.registry import PLUGINS, Accepted, Refused, judge_by_schema, judge_plugin
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.secret import Secret
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.registry import typed_ref

_NOT_APPLIED: Final = "routes that use it are answered 503; consumers that carry it are not known"
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]+")


class Protos(NamedTuple):
    """The .proto files by namespace, and the gateway's own one."""

    files: ProtoFiles
    own_namespace: str


def plugin_instances(
    snapshot: Snapshot,
    classes: ClassFilter,
    vaults: Vaults,
    authorities: Authorities,
    protos: Protos,
    memo: Memo,
    diagnostics: Diagnostics,
) -> Mapping[NamespacedName, Instance | None]:
    """By name, cluster-wide ones without namespace; None for what is not to run at all, by its author's wish."""
    plugins: list[AnyKongPlugin] = [
        *snapshot.all(KongPlugin),
        *(item for item in snapshot.all(KongClusterPlugin) if classes.takes(item.metadata)),
    ]
    judge = _Judge(snapshot, vaults, authorities, protos)
    inputs = [(item, *secrets_of(item, snapshot)) for item in plugins]
    references = memo.each("references of plugins", iter(inputs), (), _references, diagnostics)
    with_vaults = (
        (*given, *(judge.secrets_behind(found) if found else ()), *judge.inputs_for(item))
        for given, found, item in zip(inputs, references, plugins, strict=True)
    )
    judged = memo.each("plugins", with_vaults, (vaults,), judge.judged, diagnostics)
    return memo.of("plugins by name", (judged,), lambda _: dict(judged), diagnostics)


def _references(item: AnyKongPlugin, *inputs: Any) -> tuple[str, ...]:
    """In the configuration and in the Secrets that it is taken from."""
    secrets: Iterator[Secret] = (secret for secret in inputs[:-1] if secret is not None)
    texts = secret_texts_of(item, secrets)
    return tuple(dict.fromkeys([*references_in(item.config), *references_in(list(texts))]))


class _Judge:
    def __init__(self, snapshot: Snapshot, vaults: Vaults, authorities: Authorities, protos: Protos) -> None:
        self._snapshot = snapshot
        self._vaults = vaults
        self._authorities = authorities
        self._protos = protos

    def _secret_of(self, name: NamespacedName) -> Secret | None:
        return self._snapshot.get(Secret, *name)

    def secrets_behind(self, references: tuple[str, ...]) -> tuple[Secret | None, ...]:
        return secrets_behind(references, self._vaults, self._secret_of)

    def inputs_for(self, item: AnyKongPlugin) -> tuple[Authorities | ProtoFiles, ...]:
        """What its instance depends on besides; most depend on none."""
        if item.plugin in LOOKING_AT_CERTIFICATES:
            return (self._authorities,)
        return (self._protos.files,) if item.plugin in NAMING_FILES else ()

    def judged(self, item: AnyKongPlugin, *inputs: Any) -> tuple[NamespacedName, Instance | None]:
        """None: disabled. The inputs are what it takes its configuration from, and where to tell."""
        diagnostics: Diagnostics = inputs[-1]
        if item.disabled:
            return item.metadata.key, None
        ref = typed_ref(item)
        notes.Reader(ref, item.metadata.annotations, diagnostics).tell_unknown()
        broken = Instance(ref, item.plugin, None, f"plugin {shown(item.plugin)} of {ref} cannot be applied")
        instance = isolated(
            lambda: self._instance(item, diagnostics),
            otherwise=broken,
            ref=ref,
            effect=_NOT_APPLIED,
            diagnostics=diagnostics,
        )
        return item.metadata.key, instance

    def _instance(self, item: AnyKongPlugin, diagnostics: Diagnostics) -> Instance:
        ref = typed_ref(item)
        try:
            verdict = self._verdict(item, plugin_config(item, self._snapshot), diagnostics)
            if isinstance(verdict, Accepted):
                verdict = with_authorities(verdict, self._authorities)
            if isinstance(verdict, Accepted):
                verdict = with_transcoding(verdict, item, self._protos.files, self._protos.own_namespace)
        except ConfigError as problem:
            text = f"could not parse {ref.kind} {item.metadata.key} config: {problem}"
            verdict = Refused(text, "correct the configuration", "config", is_schema_violation=False)
        if isinstance(verdict, Refused):
            diagnostics.error(
                ref,
                "plugin.refused",
                verdict.reason,
                effect=_NOT_APPLIED,
                hint=verdict.hint,
                field=verdict.field,
            )
            reason = "has an invalid configuration" if verdict.is_schema_violation else "cannot be applied"
            return Instance(ref, item.plugin, None, f"plugin {shown(item.plugin)} of {ref} {reason}")
        for text in verdict.warnings:
            diagnostics.warning(ref, "plugin.config", text)
        for one in unheeded_fields(item):
            diagnostics.warning(ref, one.code, one.message, effect=one.effect, hint=one.hint, field=one.field)
        return Instance(ref, item.plugin, verdict, protocols=item.protocols)

    def _verdict(self, item: AnyKongPlugin, config: JsonObject, diagnostics: Diagnostics) -> Accepted | Refused:
        plugin = PLUGINS.get(item.plugin)
        if plugin is None or next(references_in(config), None) is None:
            return judge_plugin(item.plugin, config, item.protocols, item.ordering)
        # What can be wrong without the values is told in full: nothing of it is secret.
        refused = judge_by_schema(item.plugin, config, item.protocols, item.ordering)
        if refused is not None:
            return refused
        try:
            found = resolved(plugin.schema.fields, plugin.modernised(config), self._value)
        except UnresolvableError as problem:
            return Refused(str(problem), "create what the reference names", "config", is_schema_violation=False)
        for text in found.others:
            diagnostics.warning(
                typed_ref(item),
                "plugin.reference-unused",
                f"{text} stands where references are not resolved",
                effect="the text itself is used",
                hint="write the value, or take the configuration from a Secret with configFrom or configPatches",
                field="config",
            )
        return _without_values(judge_plugin(item.plugin, found.config, item.protocols, item.ordering), found)

    def _value(self, reference: Any) -> str:
        return self._vaults.value(reference, self._secret_of)


def _without_values(verdict: Accepted | Refused, found: Resolved) -> Accepted | Refused:
    """Reasons and warnings may quote what is wrong, which is secret here."""
    if not found.used:
        return verdict
    if isinstance(verdict, Accepted):
        return Accepted(verdict.plugin, verdict.steps)
    used = ", ".join(found.used)
    return Refused(
        f"the configuration cannot be used with what {used} stand for",
        "correct the secrets; what is wrong with them is not shown",
        "config",
        is_schema_violation=True,
    )


def shown(name: str) -> str:
    """The text goes into response bodies, which Kong does not escape."""
    return name if _WORD.fullmatch(name) else "(unnamed)"
