"""The libraries that Envoy is preloaded with. Standard library only.

`pages`: its allocator takes huge pages where the kernel gives them to who asks, so that fewer accesses to memory miss
the processor's cache of addresses. `reads`: sockets that have nothing are not read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from crossfade.built import GENERATED, newest_build

HUGE_PAGES: Final = "CROSSFADE_HUGE_PAGES"
SPARE_READS: Final = "CROSSFADE_SPARE_READS"
_PRELOAD: Final = "LD_PRELOAD"
# Of the library `pages`.
_PROGRAM: Final = "CROSSFADE_HUGE_PROGRAM"
_ENABLED: Final = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def preload(environment: Mapping[str, str], *, generated: Path = GENERATED, enabled: Path = _ENABLED) -> dict[str, str]:
    """What Envoy's environment needs besides `environment`, which may switch each off (`off`), or ask for the program's
    text on huge pages too (`all`): that costs time at the start, and memory, since processes no longer share it.
    """
    pages = newest_build("libcrossfade_pages-*.so", generated) if _asks_for_pages(environment, enabled) else None
    reads = None if environment.get(SPARE_READS) == "off" else newest_build("libcrossfade_reads-*.so", generated)
    libraries = [str(library) for library in (pages, reads) if library is not None]
    if not libraries:
        return {}
    preloaded = ":".join((*libraries, *filter(None, [environment.get(_PRELOAD)])))
    is_program = pages is not None and environment.get(HUGE_PAGES) == "all"
    return {_PRELOAD: preloaded, **({_PROGRAM: "1"} if is_program else {})}


def _asks_for_pages(environment: Mapping[str, str], enabled: Path) -> bool:
    """With `always` Envoy has them, with `never` nobody."""
    try:
        return environment.get(HUGE_PAGES) != "off" and "[madvise]" in enabled.read_text()
    except OSError:
        return False
