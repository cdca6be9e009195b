"""Server-side apply and the bookkeeping of who manages which field."""

from crossfade_local.apiserver.apply.conflicts import ApplyConflict
from crossfade_local.apiserver.apply.managed_fields import ApplyError, check_applied, server_side_apply, track_update

__all__ = ["ApplyConflict", "ApplyError", "check_applied", "server_side_apply", "track_update"]
