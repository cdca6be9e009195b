"""Where the policy module, which Envoy loads for the gateway, lies in this installation."""

from pathlib import Path

from crossfade.built import GENERATED, newest_build


def policy_library_path(generated: Path = GENERATED) -> Path:
    """The newest build of the module. Raises FileNotFoundError with the way out if there is none."""
    found = newest_build("libcrossfade_policy-*.so", generated)
    if found is None:
        raise FileNotFoundError(f"no policy module in {generated}; run `python -m generate` in the source tree")
    return found
