"""A server that is killed has lost no write that it acknowledged."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.api_process import ApiProcess

MAPS = "/api/v1/namespaces/default/configmaps"


async def test_acknowledged_writes_survive_a_kill(process: ApiProcess) -> None:
    client = await process.start()
    acknowledged: dict[str, str] = {}
    enough = asyncio.Event()

    async def write(worker: int) -> None:
        for number in range(1000):
            name = f"map-{worker}-{number}"
            try:
                answer = await client.create(MAPS, {"metadata": {"name": name}, "data": {"n": str(number)}})
            except OSError:
                return
            acknowledged[name] = answer["metadata"]["resourceVersion"]
            if len(acknowledged) == 40:
                enough.set()

    workers = [asyncio.create_task(write(worker)) for worker in range(4)]
    await enough.wait()
    await process.stop(signal.SIGKILL)
    await asyncio.gather(*workers, return_exceptions=True)
    await client.close()

    client = await process.start()
    stored = await client.get(MAPS)
    versions = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in stored["items"]}
    assert acknowledged.items() <= versions.items()
    later = await client.create(MAPS, {"metadata": {"name": "later"}})
    assert int(later["metadata"]["resourceVersion"]) > max(map(int, versions.values()))
    await client.close()


async def test_custom_resources_are_served_again_after_a_restart(process: ApiProcess) -> None:
    client = await process.start()
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}}}
    crd = {
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Thing", "plural": "things"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    await client.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    path = "/apis/example.com/v1/namespaces/default/things"
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": {"a": "x", "b": 1}}
    await client.create(path, thing)
    await client.close()
    await process.stop()

    client = await process.start()
    assert (await client.get(f"{path}/one"))["spec"] == {"a": "x"}
    await client.close()


def test_state_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("garbage")
    command = [sys.executable, "-m", "crossfade_local.apiserver", "--data-dir", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 1
    assert f"{tmp_path / 'state.db'} cannot be used: file is not a database" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_empty_state_is_refused_for_good(tmp_path: Path) -> None:
    """Whoever starts it sees that trying again is of no use."""
    (tmp_path / "state.db").touch()
    command = [sys.executable, "-m", "crossfade_local.apiserver", "--data-dir", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (ended.returncode, ended.stdout.split(" ", 1)[0]) == (1, "unusable")
    assert "it is empty" in ended.stdout
    assert ended.stdout.count("\n") == 1


async def test_object_of_more_than_etcd_takes(process: ApiProcess) -> None:
    client = await process.start()
    container = {"name": "app", "image": "app", "env": [{"name": "A", "value": "x" * 900_000}]}
    template = {"metadata": {"labels": {"app": "large"}}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": {"app": "large"}}, "template": template}
    path = "/apis/apps/v1/namespaces/default/deployments"
    await client.create(path, {"metadata": {"name": "large"}, "spec": spec})
    more = [{"op": "add", "path": "/spec/template/spec/containers/0/args", "value": ["y" * 700_000]}]
    status, refusal = await client.send("PATCH", f"{path}/large", more, content_type="application/json-patch+json")
    assert (status, refusal.get("reason"), refusal["message"]) == (500, None, "etcdserver: request is too large")
    assert "args" not in (await client.get(f"{path}/large"))["spec"]["template"]["spec"]["containers"][0]
    await client.close()


async def test_a_full_disk_refuses_writes_says_so_and_recovers(process: ApiProcess) -> None:
    client = await process.start()
    await client.create(MAPS, {"metadata": {"name": "before"}})
    with process.no_space_left():
        status, refusal = await client.send("POST", MAPS, {"metadata": {"name": "refused"}, "data": {"a": "x" * 9000}})
        assert (status, refusal.get("reason")) == (500, None)
        assert refusal["message"].startswith("the cluster's state cannot be written: ")
        assert (await client.send("GET", f"{MAPS}/refused"))[0] == 404
        assert [item["metadata"]["name"] for item in (await client.get(MAPS))["items"]].count("refused") == 0
        for path in ("/healthz", "/livez", "/readyz"):
            status, text = await client.send("GET", path)
            assert (status, "cannot be written" in text) == (500, True)
    assert await client.send("GET", "/readyz") == (200, "ok")
    await client.create(MAPS, {"metadata": {"name": "refused"}})
    await client.close()
