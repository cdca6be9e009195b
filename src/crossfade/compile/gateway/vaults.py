"""KongVaults → what references in configurations stand for (kong.md §1.8).

Values leave by `Vaults.value` only: no text, repr or diagnostic holds one.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct

from crossfade.api.kong.vault import KongVault, KongVaultSpec
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.compile.gateway.settings import CompileSettings, Environment
from crossfade.compile.isolate import isolated
from crossfade.compile.memo import Memo
from crossfade.compile.policies.references import Reference, UnresolvableError, parsed, references_in
from crossfade.compile.policies.schema import Field, Schema, apply_schema, violation_text
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.secret import Secret
from crossfade_kube.meta import NamespacedName
from crossfade_kube.registry import typed_ref

ENV: Final = "env"
KUBERNETES: Final = "kubernetes"
_UNRESOLVED: Final = "references to it cannot be resolved: plugins and certificates that hold one are refused"
_OVERSHADOWED: Final = "references with this prefix are looked up in the older KongVault"
_DUPLICATE: Final = "choose a prefix that no older KongVault has"
SecretOf: TypeAlias = Callable[[NamespacedName], Secret | None]


def _prefix_problem(prefix: str) -> str | None:
    is_right = prefix.replace("-", "_").isidentifier() and prefix.isascii()
    return None if is_right else f"invalid value: {prefix}"


# Unlike Kong a prefix is needed: without one every variable of the controller could be read.
_CONFIGS: Final[Mapping[str, Schema]] = {
    ENV: Schema({"prefix": Field("string", required=True, check=_prefix_problem)}),
    KUBERNETES: Schema({"namespace": Field("string", required=True)}),
}


class VaultProblem(Struct, frozen=True):
    """`field` is a JSON path in the object."""

    message: str
    field: str
    hint: str


_TOLD: Final = VaultProblem("", "", "")


def vault_problem(spec: KongVaultSpec) -> VaultProblem | None:
    """Why no vault can be made of it."""
    schema = _CONFIGS.get(spec.backend)
    if schema is None:
        known = " or ".join(sorted(_CONFIGS))
        return VaultProblem(f"vault '{spec.backend}' is not installed", "spec.backend", f"use {known}")
    if spec.prefix == ENV:
        return VaultProblem(f"prefix: must not be one of: {ENV}", "spec.prefix", "choose another prefix")
    if not _is_host(spec.prefix):
        hint = "use lower-case letters, digits and dashes; begin with a letter and do not end with a dash"
        return VaultProblem(f"prefix: invalid value: {spec.prefix}", "spec.prefix", hint)
    problems = apply_schema(schema, spec.config or {}).problems
    if not problems:
        return None
    needed = ", ".join(schema.fields)
    return VaultProblem(violation_text({"config": problems}), "spec.config", f"{spec.backend} has the field {needed}")


def _is_host(prefix: str) -> bool:
    """It is the host of the references' URLs: as Kong has it, two characters at least."""
    is_made_of = all(character.isdigit() or character.islower() or character == "-" for character in prefix)
    return prefix.isascii() and len(prefix) > 1 and is_made_of and prefix[0].isalpha() and prefix[-1] != "-"


class Vaults:
    """By prefix; the very same object as long as no vault changes."""

    def __init__(self, specs: Mapping[str, KongVaultSpec], environment: Environment, env_prefix: str) -> None:
        self._specs = specs
        self._environment = environment
        self._env_prefix = env_prefix

    def secret_of(self, text: str) -> NamespacedName | None:
        """The Secret that a reference is about, whether it exists or not; None where it is about none."""
        try:
            reference = parsed(text)
        except UnresolvableError:
            return None
        spec = self._specs.get(reference.vault)
        if spec is None or spec.backend != KUBERNETES:
            return None
        return NamespacedName((spec.config or {})["namespace"], reference.resource)

    def value(self, reference: Reference, secret_of: SecretOf) -> str:
        """Raises UnresolvableError."""
        if reference.vault == ENV:
            if not self._env_prefix:
                raise UnresolvableError("the vault env has no prefix; set one, or create a KongVault")
            return self._of_environment(reference, self._env_prefix)
        spec = self._specs.get(reference.vault)
        if spec is None:
            raise UnresolvableError(f"could not find vault ({reference.vault})")
        config = spec.config or {}
        if spec.backend == ENV:
            return self._of_environment(reference, config["prefix"])
        return _of_secret(reference, NamespacedName(config["namespace"], reference.resource), secret_of)

    def _of_environment(self, reference: Reference, prefix: str) -> str:
        name = f"{prefix}{reference.resource}".replace("-", "_").upper()
        if reference.version > 1:
            name += "_PREVIOUS"
        value = self._environment.get(name)
        if value is None:
            raise UnresolvableError(f"environment variable {name} of the controller is not set")
        return value if reference.key is None else _of_json(value, reference.key)


def _of_secret(reference: Reference, name: NamespacedName, secret_of: SecretOf) -> str:
    if reference.key is None:
        raise UnresolvableError(
            f"which key of the Secret? Write {{vault://{reference.vault}/{reference.resource}/KEY}}"
        )
    if reference.version > 1:
        raise UnresolvableError("Secrets have no former versions")
    secret = secret_of(name)
    if secret is None:
        raise UnresolvableError(f"Secret {name} not found")
    if reference.key not in secret.data:
        raise UnresolvableError(f"Secret {name} has no key {reference.key}")
    try:
        return secret.data[reference.key].decode()
    except UnicodeDecodeError:
        raise UnresolvableError(f"key {reference.key} of Secret {name} is no text") from None


def _of_json(value: str, key: str) -> str:
    try:
        found: Any = json.loads(value)
    except (ValueError, RecursionError):
        raise UnresolvableError("unable to json decode value") from None
    if not isinstance(found, dict) or key not in found:
        raise UnresolvableError(f"subfield {key} not found in JSON secret")
    if not isinstance(found[key], str):
        raise UnresolvableError(f"subfield {key} of the JSON secret is no string")
    return str(found[key])


def vaults_of(
    snapshot: Snapshot, classes: ClassFilter, settings: CompileSettings, memo: Memo, diagnostics: Diagnostics
) -> Vaults:
    given = snapshot.all(KongVault)

    def make(found: Diagnostics) -> Vaults:
        taken = sorted((item for item in given if classes.takes(item.metadata)), key=lambda item: item.metadata.age)
        return Vaults(dict(_usable(taken, found)), settings.environment, settings.kong.vault_env_prefix)

    # The class may become the default one, which changes what is taken.
    circumstances = (given, classes.takes_classless, settings.environment, settings.kong.vault_env_prefix)
    return memo.of("vaults", circumstances, make, diagnostics)


def _usable(vaults: list[KongVault], diagnostics: Diagnostics) -> Iterator[tuple[str, KongVaultSpec]]:
    """Of several with the same prefix the oldest."""
    seen: set[str] = set()
    for vault in vaults:
        prefix = vault.spec.prefix
        problem = _problem(vault, diagnostics)
        if problem is None and prefix in seen:
            problem = VaultProblem(f'spec.prefix "{prefix}" is duplicate', "spec.prefix", _DUPLICATE)
        if problem is None:
            seen.add(prefix)
            yield prefix, vault.spec
        elif problem is not _TOLD:
            ref, text = typed_ref(vault), problem.message
            effect = _OVERSHADOWED if problem.hint == _DUPLICATE else _UNRESOLVED
            diagnostics.error(ref, "vault.refused", text, effect=effect, hint=problem.hint, field=problem.field)


def _problem(vault: KongVault, diagnostics: Diagnostics) -> VaultProblem | None:
    return isolated(
        lambda: vault_problem(vault.spec),
        otherwise=_TOLD,
        ref=typed_ref(vault),
        effect=_UNRESOLVED,
        diagnostics=diagnostics,
    )


def secrets_behind(value: Any, vaults: Vaults, secret_of: SecretOf) -> tuple[Secret | None, ...]:
    """Those that the references in a value are about; None for one that does not exist."""
    names = (vaults.secret_of(text) for text in references_in(value))
    return tuple(secret_of(name) for name in names if name is not None)
