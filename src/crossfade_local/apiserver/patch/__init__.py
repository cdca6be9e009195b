"""The patch formats of the API: JSON patch, JSON merge patch and strategic merge patch."""

from crossfade_local.apiserver.patch.errors import DECODING, PatchError
from crossfade_local.apiserver.patch.json_patch import apply_json_patch
from crossfade_local.apiserver.patch.merge import apply_merge_patch
from crossfade_local.apiserver.patch.strategic import apply_strategic_patch

__all__ = ["DECODING", "PatchError", "apply_json_patch", "apply_merge_patch", "apply_strategic_patch"]
