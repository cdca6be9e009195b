"""KongConsumers and their Secrets → the consumers of the gateway, with credentials by type (kong.md §1.4, §1.5).

Credential values stay in here: what leaves is a salted hash, and diagnostics name fields, never values.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from msgspec import Struct

from crossfade.api.bounds import Bounds, Misfit, header_value
from crossfade.api.kong.consumer import KongConsumer
from crossfade.api.kong.credentials import CREDENTIAL_KINDS, credential_type, missing_fields
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway import annotations as notes
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.compile.gateway.consumer_groups import ConsumerGroup
from crossfade.compile.gateway.ids import entity_id
from crossfade.compile.gateway.state import PluginRef
from crossfade.compile.isolate import isolated
from crossfade.compile.memo import Memo
from crossfade.compile.policies.registry import CREDENTIAL_TYPES, PLUGINS
from crossfade.compile.routing import tables
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.secret import Secret
from crossfade_kube.meta import NamespacedName, ObjectRef
from crossfade_kube.registry import typed_ref

# Groups are credentials only in the way they are written.
_GROUPS: Final = "acl"
# Kong's own bounds.
_TTL: Final = Bounds(0, 100_000_000, "s")
_WITHOUT_GROUP: Final = "its requests are served without the group's plugins"
_CONSUMER_UNKNOWN: Final = "the consumer is not known, its credentials are not accepted"
# What Kong's controller calls its indices of unique values.
_INDICES: Final = {
    "key-auth": "key-auth",
    "hmac-auth": "hmac-auth",
    "jwt": "jwt-auth",
    "basic-auth": "basic-auth",
    "oauth2": "oauth2-credentials",
    "mtls-auth": "mtls-auth",
}


class Credential(Struct, frozen=True):
    """`unique` is the value that no other credential of the type may have; `data` is the Secret's."""

    type: str
    id: str
    secret: ObjectRef
    unique: bytes
    data: Mapping[str, bytes]
    expires_at: int | None = None

    def __repr__(self) -> str:
        return f"Credential({self.type}, {self.secret}, ***)"


class Consumer(Struct, frozen=True):
    """`groups` are those of its Secrets of type acl, `consumer_groups` ids of those that it names, ordered by name.

    Without `has_all_groups` it must not be known: it would escape the policies of a group that is not there.
    """

    id: str
    username: str
    custom_id: str
    ref: ObjectRef
    created: str
    plugins: tuple[PluginRef, ...] = ()
    credentials: tuple[Credential, ...] = ()
    groups: tuple[str, ...] = ()
    consumer_groups: tuple[str, ...] = ()
    has_all_groups: bool = True


def consumers_of(
    snapshot: Snapshot,
    classes: ClassFilter,
    groups: Mapping[NamespacedName, ConsumerGroup],
    memo: Memo,
    diagnostics: Diagnostics,
    *,
    serves_without_missing: bool = False,
) -> list[Consumer]:
    """In the order of namespace and name; conflicting ones are left out.

    With `serves_without_missing` a group that does not exist is passed over, as Kong does.
    """
    everybody = snapshot.all(KongConsumer)
    taken = memo.of(
        "consumers of the class",
        (everybody, classes.name, classes.takes_classless),
        lambda _: [item for item in everybody if classes.takes(item.metadata)],
        diagnostics,
    )
    secrets = snapshot.by_name(Secret)
    # A group that changes does not change its members.
    ids = {name: group.id for name, group in groups.items()}
    found_groups = _Groups(ids, serves_without_missing)

    def read(item: KongConsumer, *inputs: Any) -> Consumer | None:
        told: Diagnostics = inputs[-1]
        return isolated(
            lambda: _consumer(item, snapshot, found_groups, told) if _is_named(item, told) else None,
            otherwise=None,
            ref=typed_ref(item),
            effect=_CONSUMER_UNKNOWN,
            diagnostics=told,
        )

    inputs = (
        (
            item,
            *(secrets.get(NamespacedName(item.metadata.namespace, name)) for name in item.credentials),
            *(ids.get(NamespacedName(item.metadata.namespace, name)) for name in item.consumer_groups),
        )
        for item in taken
    )
    read_ones = memo.each("consumers", inputs, (serves_without_missing,), read, diagnostics)
    found = [consumer for consumer in read_ones if consumer is not None]
    return _without_shared_credentials(_with_unique_names(found, diagnostics), diagnostics)


def _is_named(item: KongConsumer, diagnostics: Diagnostics) -> bool:
    """The names go into headers of every request, so they must be such values."""
    if not item.username and not item.custom_id:
        diagnostics.error(
            typed_ref(item),
            "consumer.nameless",
            "Need to provide either username or custom_id",
            effect="its credentials are not accepted",
            hint="set username",
        )
        return False
    for field, name in (("username", item.username), ("custom_id", item.custom_id)):
        problem = header_value(name)
        if isinstance(problem, Misfit):
            diagnostics.error(
                typed_ref(item),
                "consumer.invalid-name",
                str(problem),
                effect=_CONSUMER_UNKNOWN,
                hint="upstreams are told the name in a header: give one without line ends",
                field=field,
            )
            return False
    return True


def _consumer(
    item: KongConsumer,
    snapshot: Snapshot,
    groups: "_Groups",
    diagnostics: Diagnostics,
) -> Consumer:
    ref, meta = typed_ref(item), item.metadata
    reader = notes.Reader(ref, meta.annotations, diagnostics)
    reader.tell_unknown()
    credentials = tuple(_credentials(item, ref, snapshot, diagnostics))
    in_groups = tuple(_consumer_groups(item, ref, groups, diagnostics))
    return Consumer(
        id=entity_id("consumer", item.username or f"custom_id/{item.custom_id}"),
        username=item.username,
        custom_id=item.custom_id,
        ref=ref,
        created=meta.creation_timestamp,
        plugins=tuple(PluginRef(name, ref) for name in notes.list_of(reader.noted, notes.PLUGINS)),
        credentials=tuple(one for one in credentials if one.type != _GROUPS),
        groups=tuple(dict.fromkeys(_text(one.data["group"]) for one in credentials if one.type == _GROUPS)),
        consumer_groups=in_groups,
        has_all_groups=groups.may_miss or len(in_groups) == len(set(item.consumer_groups)),
    )


class _Groups(NamedTuple):
    """Ids of those that there are; with `may_miss` a consumer may name one that is not there."""

    by_name: Mapping[NamespacedName, str]
    may_miss: bool


def _consumer_groups(item: KongConsumer, ref: ObjectRef, groups: _Groups, diagnostics: Diagnostics) -> Iterator[str]:
    """By name: where two of them configure the same plugin, the first one's runs."""
    for index, name in sorted(enumerate(dict.fromkeys(item.consumer_groups)), key=lambda each: each[1]):
        key = NamespacedName(item.metadata.namespace, name)
        if key in groups.by_name:
            yield groups.by_name[key]
            continue
        tell = diagnostics.warning if groups.may_miss else diagnostics.error
        tell(
            ref,
            "consumer.group-not-found",
            f'nonexistent consumer group: "KongConsumerGroup {key} not found"',
            effect=_WITHOUT_GROUP if groups.may_miss else _CONSUMER_UNKNOWN,
            hint=f"create KongConsumerGroup {key} with the gateway's class, or remove it from the list",
            field=f"consumerGroups[{index}]",
        )


def _credentials(
    item: KongConsumer, ref: ObjectRef, snapshot: Snapshot, diagnostics: Diagnostics
) -> Iterator[Credential]:
    for index, name in enumerate(dict.fromkeys(item.credentials)):
        secret = snapshot.get(Secret, item.metadata.namespace, name)
        result = _credential(secret, diagnostics) if secret else f"Failed to fetch secret: {name} not found"
        if isinstance(result, Credential):
            yield result
        else:
            diagnostics.error(
                ref,
                "consumer.credential",
                f'credential "{name}" failure: {result}',
                effect="this credential is not accepted; the consumer's others are",
                hint="correct or create the Secret",
                field=f"credentials[{index}]",
            )


def _credential(secret: Secret, diagnostics: Diagnostics) -> Credential | str:
    ref = typed_ref(secret)
    declared = credential_type(secret.metadata.labels, secret.data)
    kind = CREDENTIAL_KINDS.get(declared or "")
    if declared is None or kind is None:
        return f'failed to provision credential: unsupported credential type: "{declared or ""}"'
    missing = missing_fields(kind, secret.data)
    if missing:
        return f"failed to provision credential: {kind.spoken or declared} is invalid: no {missing[0]}"
    if declared in CREDENTIAL_TYPES and (problem := CREDENTIAL_TYPES[declared].problem(secret.data)):
        return f"failed to provision credential: {declared} is invalid: {problem}"
    if declared not in CREDENTIAL_TYPES and not (declared == _GROUPS and _GROUPS in PLUGINS):
        diagnostics.warning(
            ref,
            "credential.unused-type",
            f"no supported plugin uses credentials of type {declared}",
            effect="this credential has no effect",
        )
    ttl = _TTL.parse(_text(secret.data["ttl"])) if "ttl" in secret.data else None
    if isinstance(ttl, Misfit):
        return f"Failed to parse ttl to int: {_TTL.rule}"
    expires_at = _expires_at(secret, ttl)
    if isinstance(expires_at, Misfit):
        return str(expires_at)
    credential_id = entity_id(declared, str(secret.metadata.key))
    return Credential(declared, credential_id, ref, kind.claim(secret.data), secret.data, expires_at)


def _expires_at(secret: Secret, ttl_s: int | None) -> int | Misfit | None:
    """Unix time in seconds; the time to live counts from the Secret's creation."""
    created = secret.metadata.creation_timestamp
    if not created or not ttl_s:
        return None
    try:
        return int((datetime.fromisoformat(created) + timedelta(seconds=ttl_s)).timestamp())
    except (ValueError, OverflowError):
        # API servers write this field themselves, manifest files may hold anything.
        return Misfit(f"the end of its ttl cannot be told from metadata.creationTimestamp {created[:40]!a}")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _are_unique(values: list[Any]) -> bool:
    return len(set(values)) == len(values)


def _with_unique_names(found: list[Consumer], diagnostics: Diagnostics) -> list[Consumer]:
    """Names are unique across the whole gateway; the older consumer keeps them."""
    usernames = [consumer.username for consumer in found if consumer.username]
    custom_ids = [consumer.custom_id for consumer in found if consumer.custom_id]
    if _are_unique(usernames) and _are_unique(custom_ids):
        return found
    taken: set[tuple[str, str]] = set()
    kept = []
    for consumer in sorted(found, key=lambda item: (item.created, item.ref)):
        names = {("username", consumer.username), ("custom_id", consumer.custom_id)}
        names = {name for name in names if name[1]}
        if names & taken:
            diagnostics.error(
                consumer.ref,
                "consumer.name-taken",
                "consumer already exists",
                effect="its credentials are not accepted",
                hint="choose a username and custom_id that no other KongConsumer has, in any namespace",
            )
        else:
            taken |= names
            kept.append(consumer)
    return sorted(kept, key=lambda item: item.ref)


def _without_shared_credentials(found: list[Consumer], diagnostics: Diagnostics) -> list[Consumer]:
    """A value that two Secrets claim is nobody's: every consumer involved is dropped (R-4)."""
    claims = [(item.type, item.unique) for consumer in found for item in consumer.credentials]
    if _are_unique(claims):
        return found
    users = Counter(claims)
    kept = []
    for consumer in found:
        clashing = [
            item
            for item in consumer.credentials
            if CREDENTIAL_KINDS[item.type].unique and users[item.type, item.unique] > 1
        ]
        if clashing:
            _tell_conflicts(consumer, clashing, diagnostics)
        else:
            kept.append(consumer)
    return kept


def _tell_conflicts(consumer: Consumer, clashing: list[Credential], diagnostics: Diagnostics) -> None:
    """Each Secret, and of its consumer the first conflict, in the order in which Kong's controller looks for them."""
    ordered = sorted(clashing, key=lambda item: list(_INDICES).index(item.type))
    told = [(item.secret, f"Secret has conflicting credential: {_conflict(item)}") for item in ordered]
    told.append((consumer.ref, f"Consumer has conflicting credentials: {_conflict(ordered[0])}"))
    for ref, text in told:
        diagnostics.error(
            ref,
            "consumer.credential-conflict",
            text,
            effect="no credential of the consumers involved is accepted",
            hint="give each Secret its own value",
        )


def _conflict(credential: Credential) -> str:
    return f"conflict detected in \"{_INDICES[credential.type]} on '{CREDENTIAL_KINDS[credential.type].unique}'\" index"


def table_credentials(consumer: Consumer, salt: bytes) -> dict[str, tuple[tables.Credential, ...]]:
    """By type, as the policy module knows them; those that no plugin uses are left out."""
    found: dict[str, tuple[tables.Credential, ...]] = {}
    for one in consumer.credentials:
        kind = CREDENTIAL_TYPES.get(one.type)
        if kind is not None:
            entry = kind.entry(one.data, salt)
            known = tables.Credential(one.id, entry.index, entry.secret, one.expires_at, entry.key, entry.client)
            found[one.type] = (*found.get(one.type, ()), known)
    return found
