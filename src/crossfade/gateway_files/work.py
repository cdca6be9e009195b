"""Files → what Envoy is to have, step by step; blocking, for one thread at a time.

What a change did not touch is neither read nor compiled nor encoded again.
"""

import gc
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from crossfade.compile.gateway.acme_store import Kept
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.envoy.gateway import Built, GatewayBuilder
from crossfade.envoy.settings import EnvoyOptions
from crossfade.gateway_files.directory import Directory
from crossfade.gateway_files.reading import gateway_reading
from crossfade.gateway_files.schemas import Schemas
from crossfade.gateway_files.source import FileSource, FileState
from crossfade_kube.meta import ObjectMeta, ObjectRef

# So many changed objects are as good as a start.
_MANY: Final = 1000


class Outcome(NamedTuple):
    """`changed` are the objects that are new, different or gone since the last outcome."""

    state: FileState
    built: Built
    changed: tuple[ObjectRef, ...]


class Work:
    """The collector of circular garbage rests meanwhile: nearly all that is made stays, without circles, and to search
    it again and again takes longer than a change does.
    """

    def __init__(
        self,
        folder: Path,
        settings: CompileSettings,
        options: EnvoyOptions,
        schemas: Schemas,
        kept: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        """`kept` is what the plugin acme keeps."""
        self.options = options
        self._kept = _kept(kept)
        self._source = FileSource(Directory(folder), gateway_reading(schemas))
        self._builder = GatewayBuilder(settings, options)
        self._changed: dict[ObjectRef, None] = {}
        self.looking_took_s = 0.0
        """At all files, the last time, with nothing to read."""

    @property
    def link_targets(self) -> frozenset[str]:
        return self._source.link_targets

    def first(self) -> Outcome:
        """Whatever there is."""
        gc.disable()
        try:
            self._source.refresh()
            return self._outcome()
        finally:
            gc.freeze()
            gc.enable()

    def step(self, names: Iterable[str] | None) -> Outcome | None:
        """What these files, or all, have become; None when nothing changed."""
        begin = time.monotonic()
        is_changed = self._source.refresh(names)
        if names is None and not is_changed:
            self.looking_took_s = time.monotonic() - begin
        if not is_changed:
            return None
        gc.disable()
        try:
            outcome = self._outcome()
        finally:
            gc.enable()
        if len(outcome.changed) >= _MANY:
            gc.freeze()
        return outcome

    def keep(self, kept: Mapping[str, bytes]) -> Outcome:
        """As `step`, with what the plugin acme keeps now."""
        self._kept = _kept(kept)
        return self._outcome()

    def _outcome(self) -> Outcome:
        state = self._source.state()
        self._changed |= dict.fromkeys(state.changed)
        built = self._builder.build(state.snapshot.with_changes([self._kept], []))
        changed, self._changed = tuple(self._changed), {}
        return Outcome(state, built, changed)


def _kept(entries: Mapping[str, bytes]) -> Kept:
    return Kept(ObjectMeta(name="acme"), entries)
