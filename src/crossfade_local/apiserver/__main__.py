"""`python -m crossfade_local.apiserver`: see `process`."""

import gc
import importlib


def main() -> None:
    # Searched again and again for garbage, imports and the reading of a state take a tenth longer.
    gc.disable()
    importlib.import_module("crossfade_local.apiserver.process").main()


if __name__ == "__main__":
    main()
