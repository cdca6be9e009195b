"""What a token of a pod proves."""

from typing import NamedTuple


class PodIdentity(NamedTuple):
    namespace: str
    name: str
    uid: str
