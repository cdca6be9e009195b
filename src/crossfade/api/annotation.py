"""What an annotation or label means: said once, for the code that knows the keys and for the reference pages."""

from collections.abc import Iterable

from msgspec import Struct


class Annotation(Struct, frozen=True):
    """`default` is what holds without it; `why_not` says why it is taken and has no effect.

    A key that ends in a dot stands for all keys that begin so.
    """

    key: str
    objects: tuple[str, ...]
    values: str = ""
    default: str = ""
    effect: str = ""
    why_not: str = ""


def without_effect_on(kind: str, table: Iterable[Annotation]) -> tuple[str, ...]:
    """Those whose presence is worth a word to their author."""
    return tuple(one.key for one in table if kind in one.objects and one.why_not)
