"""Where the policy module, which Envoy loads for the gateway, lies in this installation."""

from pathlib import Path

_GENERATED = Path(__file__).resolve().parent.parent / "_generated"


def policy_library_path(generated: Path = _GENERATED) -> Path:
    """The newest build of the module. Raises FileNotFoundError with the way out if there is none."""
    builds = sorted(generated.glob("libcrossfade_policy-*.so"), key=lambda path: path.stat().st_mtime_ns)
    if not builds:
        raise FileNotFoundError(f"no policy module in {generated}; run `python -m generate` in the source tree")
    return builds[-1]
