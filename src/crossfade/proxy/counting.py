"""Where Envoy finds the library that counts a mesh's requests (`counts`). Standard library only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from crossfade.built import GENERATED, newest_build
from crossfade.envoy.names import COUNTS_MODULE

SEARCH_VARIABLE: Final = "ENVOY_DYNAMIC_MODULES_SEARCH_PATH"


def counting(environment: Mapping[str, str], folder: Path, *, generated: Path = GENERATED) -> dict[str, str]:
    """What Envoy's environment needs besides `environment`; nothing where it cannot have the library.

    It goes by one name for all versions, so that the control plane need not know which a proxy has: `folder`, of the
    proxy alone, gets a link of that name.
    """
    library = newest_build(f"lib{COUNTS_MODULE}-*.so", generated)
    if library is None or environment.get(SEARCH_VARIABLE):
        return {}
    link = folder / f"lib{COUNTS_MODULE}.so"
    link.unlink(missing_ok=True)
    link.symlink_to(library)
    return {SEARCH_VARIABLE: str(folder)}
