"""What requests as large as the embedded API server takes cost its processor.

    python -m benchmarks.large_requests [--only TEXT] [--bytes 3145728] [--least 0.0]

Of each sort of object: created at the size of the largest body, then at the largest size that can be stored, with which
it is read, listed, replaced, patched in each way, watched by many and deleted. Prints the time on a processor that the
server's process took for each, dearest last; its clock counts by 10 ms.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.local.protocol.apiserver.hostile import (
    APPLY_PATCH,
    AS_TABLE,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    Request,
)
from tests.local.protocol.apiserver.large_objects import (
    DEFINITIONS,
    IN_DEFAULT,
    LARGEST_BODY,
    SORTS,
    THINGS,
    Json,
    Sort,
    sized,
    with_more_fields,
)
from tests.local.protocol.apiserver.test_hostile_input import things_definition
from tests.support.api_process import ApiClient, ApiProcess

_WATCHERS: Final = 20


class Cost(NamedTuple):
    cpu_s: float
    what: str
    status: int
    size: int


class Lab:
    def __init__(self, process: ApiProcess, client: ApiClient) -> None:
        self._process: Final = process
        self._client: Final = client

    async def costs(self, sort: Sort, largest: int) -> AsyncIterator[Cost]:
        """Of creating an object of this sort, then of whatever else can be done with it; it is gone after."""
        for part in (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.08, 0.04):
            obj = sized(sort.build, int(largest * part))
            cost, stored = await self._sent("create", Request("POST", sort.path, json.dumps(obj)))
            yield cost
            if cost.status == 201:
                break
        else:
            return
        for what, request in _uses(sort, obj, stored):
            yield (await self._sent(what, request))[0]
        yield await self._watched(f"{sort.path}/{obj['metadata']['name']}", sort.path)
        yield (await self._sent("delete", Request("DELETE", f"{sort.path}/{obj['metadata']['name']}", None)))[0]

    async def _sent(self, what: str, request: Request) -> tuple[Cost, Any]:
        before = self._process.cpu_s()
        status, answer = await self._client.send(
            request.method, request.path, request.body, content_type=request.content_type, accept=request.accept
        )
        return Cost(self._process.cpu_s() - before, what, status, len(request.body or "")), answer

    async def _watched(self, one: str, collection: str) -> Cost:
        async with AsyncExitStack() as stack:
            path = (
                f"{collection}?watch=1&resourceVersion={(await self._client.get(one))['metadata']['resourceVersion']}"
            )
            watches = [await stack.enter_async_context(self._client.watch(path)) for _ in range(_WATCHERS)]
            cost, _ = await self._sent(f"label seen by {_WATCHERS} watchers", _label(one, "watched"))
            before = self._process.cpu_s()
            await asyncio.gather(*(anext(watch) for watch in watches))
            return cost._replace(cpu_s=cost.cpu_s + self._process.cpu_s() - before)


def _label(one: str, value: str) -> Request:
    return Request("PATCH", one, json.dumps({"metadata": {"labels": {"a": value}}}), MERGE_PATCH)


def _uses(sort: Sort, obj: Json, stored: Json) -> Iterator[tuple[str, Request]]:
    one, text = f"{sort.path}/{obj['metadata']['name']}", json.dumps(obj)
    applied = {"apiVersion": stored["apiVersion"], "kind": stored["kind"], **obj}
    applied["metadata"] = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    emptied = {key: {} if key in ("spec", "data") else value for key, value in applied.items()}
    apply = f"{one}?fieldManager=other&force=true"
    operations = [{"op": "add", "path": f"/{key}", "value": obj[key]} for key in obj if key != "metadata"]
    yield "get", Request("GET", one, None)
    yield "get as YAML", Request("GET", one, None, accept="application/yaml")
    yield "list", Request("GET", sort.path, None)
    yield "list as table", Request("GET", sort.path, None, accept=AS_TABLE)
    yield "replace", Request("PUT", one, json.dumps({**obj, "metadata": stored["metadata"]}))
    yield "label", _label(one, "b")
    yield "merge patch", Request("PATCH", one, text, MERGE_PATCH)
    yield "JSON patch", Request("PATCH", one, json.dumps(operations), JSON_PATCH)
    if sort.path != THINGS:
        yield "strategic patch", Request("PATCH", one, text, STRATEGIC_PATCH)
    yield "first apply", Request("PATCH", apply, json.dumps(applied), APPLY_PATCH)
    yield "second apply", Request("PATCH", apply, json.dumps(applied), APPLY_PATCH)
    yield "apply of YAML", Request("PATCH", apply, f"---\n{json.dumps(applied)}", APPLY_PATCH)
    yield "apply of nothing", Request("PATCH", apply, json.dumps(emptied), APPLY_PATCH)


async def measured(only: str, largest: int, least: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        process = ApiProcess(Path(folder) / "data")
        client = await process.start()
        found = []
        try:
            await client.create(DEFINITIONS, with_more_fields(things_definition()))
            # Nothing else here makes the account that pods have.
            await client.create(f"{IN_DEFAULT}/serviceaccounts", {"metadata": {"name": "default"}})
            for sort in SORTS:
                if only not in sort.name:
                    continue
                async for cost in Lab(process, client).costs(sort, largest):
                    found.append((cost.cpu_s, f"{sort.name}: {cost.what}"))
                    if cost.cpu_s >= least:
                        print(
                            f"{cost.cpu_s:6.2f} s  {cost.size:9,} bytes  {cost.status}  {sort.name}: {cost.what}",
                            flush=True,
                        )
        finally:
            await client.close()
            await process.stop()
    print("\ndearest:")
    for cpu_s, what in sorted(found)[-10:]:
        print(f"{cpu_s:6.2f} s  {what}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="sorts of objects with this in their name")
    parser.add_argument("--bytes", type=int, default=LARGEST_BODY, help="the largest body (default: as is taken)")
    parser.add_argument("--least", type=float, default=0.0, help="print no cheaper ones, in seconds")
    arguments = parser.parse_args()
    asyncio.run(measured(arguments.only, arguments.bytes, arguments.least))


if __name__ == "__main__":
    main()
