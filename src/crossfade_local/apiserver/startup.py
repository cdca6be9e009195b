"""What the API server of a fresh node does before it answers anybody."""

from datetime import datetime

from crossfade_local import lost_node
from crossfade_local.apiserver.state.storage import Replacement, Storage
from crossfade_local.apiserver.writing.strategies import timestamp


async def nothing_runs_any_more(storage: Storage, now: datetime) -> None:
    """Whoever lists or watches from the first answer on sees nothing ready that does not run. Raises NotWritten."""
    replacements = []
    for bucket in lost_node.BUCKETS:
        for stored in storage.scan(bucket):
            obj = stored.copy()
            if lost_node.nothing_runs(bucket, obj, now=timestamp(now)):
                replacements.append(Replacement(bucket, stored, obj))
    await storage.update_all(replacements)
