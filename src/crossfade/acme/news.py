"""What there is to tell of certificates."""

from typing import NamedTuple

from crossfade_kube.meta import ObjectRef


class News(NamedTuple):
    """What became of a host's certificate, for the plugin object `ref`; without a `host` all are concerned."""

    ref: ObjectRef
    host: str
    text: str
    is_failure: bool = False
