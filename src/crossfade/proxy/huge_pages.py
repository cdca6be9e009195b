"""Has Envoy's allocator take huge pages where the kernel gives them to who asks. Standard library only.

Fewer of Envoy's accesses to memory then miss the processor's cache of addresses.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from crossfade.built import GENERATED, newest_build

VARIABLE: Final = "CROSSFADE_HUGE_PAGES"
_PRELOAD: Final = "LD_PRELOAD"
# Of the preloaded library.
_PROGRAM: Final = "CROSSFADE_HUGE_PROGRAM"
_ENABLED: Final = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def huge_pages(
    environment: Mapping[str, str], *, generated: Path = GENERATED, enabled: Path = _ENABLED
) -> dict[str, str]:
    """What Envoy's environment needs besides `environment`, which may switch it off (`off`), or ask for the program's
    text too (`all`): that costs time at the start, and memory, since processes no longer share it.
    """
    wanted = environment.get(VARIABLE)
    if wanted == "off" or not _are_for_who_asks(enabled):
        return {}
    library = newest_build("libcrossfade_pages-*.so", generated)
    if library is None:
        return {}
    preloaded = ":".join((str(library), *filter(None, [environment.get(_PRELOAD)])))
    return {_PRELOAD: preloaded, **({_PROGRAM: "1"} if wanted == "all" else {})}


def _are_for_who_asks(enabled: Path) -> bool:
    """With `always` Envoy has them, with `never` nobody."""
    try:
        return "[madvise]" in enabled.read_text()
    except OSError:
        return False
