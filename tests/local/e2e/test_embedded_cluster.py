"""Workloads on the embedded cluster, with the real kubectl: what a pod gets and what people see of it."""

import contextlib
import json
import os
import pwd
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossfade_local.preflight import Mode
from tests.support.cluster import EmbeddedCluster
from tests.support.cluster_owner import ClusterOwner
from tests.support.polling import SOON_S, eventually
from tests.support.ports import free_ports

pytestmark = pytest.mark.cluster

IMAGES = """
- {match: "shell:*", argv: [sh, -c, "trap 'exit 0' TERM; echo started; sleep infinity & wait"], user: 65534}
- {match: "root:*", argv: [sleep, infinity]}
- {match: "named:*", argv: [sleep, infinity], user: nobody}
- {match: "misnamed:*", argv: [sleep, infinity], user: nobdy}
"""


@pytest.fixture(scope="module")
def cluster(owner: ClusterOwner) -> Iterator[EmbeddedCluster]:
    directory = owner.folder("cluster")
    program = directory / "programs" / "keeps"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec sleep infinity\n")
    program.chmod(0o755)
    images = directory / "images.yaml"
    images.write_text(f'{IMAGES}- {{match: "keeps:*", argv: ["{program}"]}}\n')
    with owner.cluster(directory, "--bare", "--images", str(images)) as running:
        yield running


def container(image: str = "shell:1", **more: Any) -> dict[str, Any]:
    return {"name": "main", "image": image, **more}


def create_pod(cluster: EmbeddedCluster, name: str, *containers: dict[str, Any], **spec: Any) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": list(containers), **spec},
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(pod))


def status_of(cluster: EmbeddedCluster, name: str) -> dict[str, Any]:
    status: dict[str, Any] = json.loads(cluster.kubectl("get", "pod", name, "-o", "json"))["status"]
    return status


def state_of(cluster: EmbeddedCluster, name: str) -> dict[str, Any]:
    return dict(status_of(cluster, name).get("containerStatuses", [{}])[0])


def wait_ready(cluster: EmbeddedCluster, *names: str) -> None:
    cluster.kubectl("wait", "--for=condition=Ready", f"--timeout={SOON_S:g}s", *(f"pod/{name}" for name in names))


def events_until(cluster: EmbeddedCluster, pod: str, last: str) -> str:
    """Empty while the last one is not there; they are written in order."""
    told = cluster.kubectl("get", "events", f"--field-selector=involvedObject.name={pod}")
    return told if last in told else ""


def run(cluster: EmbeddedCluster, pod: str, script: str) -> str:
    return cluster.kubectl("exec", pod, "--", "sh", "-c", script)


@pytest.mark.every_mode
def test_service_balances_and_reaches_the_machine(cluster: EmbeddedCluster) -> None:
    """Two versions behind one LoadBalancer Service: from the machine by its port, from a pod by its name."""
    for version in ("one", "two"):
        env = [{"name": "HW_RESPONSE", "value": version}]
        probe = {"httpGet": {"path": "/ping", "port": 9080}}
        create_pod(cluster, f"dj-{version}", container("crossfade/djapp:v1", env=env, readinessProbe=probe))
        cluster.kubectl("label", "pod", f"dj-{version}", "service=dj")
    create_pod(cluster, "client", container())
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "dj"},
        "spec": {"type": "LoadBalancer", "selector": {"service": "dj"}, "ports": [{"port": 80, "targetPort": 9080}]},
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(service))
    wait_ready(cluster, "dj-one", "dj-two", "client")
    addresses = eventually(lambda: cluster.kubectl("get", "service", "dj", "-o", "jsonpath={.status.loadBalancer}"))
    assert "127.0.0.1" in addresses
    from_machine = eventually(lambda: _answers(cluster.gateway_url))
    assert from_machine <= {"one", "two"}
    script = "for i in $(seq 30); do curl -s dj.default.svc.cluster.local; echo; done | sort -u"
    assert eventually(lambda: set(run(cluster, "client", script).split()) == {"one", "two"})
    assert "127.0.0.1" in run(cluster, "dj-one", "curl -s http://127.0.0.1:9080/ping -o /dev/null -w '%{remote_ip}'")


def _answers(url: str) -> set[str]:
    try:
        return {urllib.request.urlopen(url, timeout=5).read().decode() for _ in range(10)}
    except OSError:
        return set()


def test_pod_reaches_its_own_service(cluster: EmbeddedCluster) -> None:
    create_pod(cluster, "narcissus", container("crossfade/djapp:v1", env=[{"name": "HW_RESPONSE", "value": "me"}]))
    cluster.kubectl("expose", "pod", "narcissus", "--name=mirror", "--port=80", "--target-port=9080")
    wait_ready(cluster, "narcissus")
    assert eventually(lambda: run(cluster, "narcissus", "curl -s --max-time 2 mirror || true") == "me")


def test_service_without_endpoints_refuses_at_once(cluster: EmbeddedCluster) -> None:
    create_pod(cluster, "caller", container())
    cluster.kubectl("create", "service", "clusterip", "nobody", "--tcp=80:80")
    wait_ready(cluster, "caller")
    code = run(cluster, "caller", "curl -s --max-time 5 nobody; echo $?").strip()
    assert code == "7", "curl's code for a refused connection"
    # The name was found, so the node knows the Service, and whatever starts from now on is told of it.
    told = container(env=[{"name": "URL", "value": "$(NOBODY_PORT)"}])
    create_pod(cluster, "told", told)
    create_pod(cluster, "untold", told, enableServiceLinks=False)
    wait_ready(cluster, "told", "untold")
    shown = [run(cluster, name, "echo $URL $NOBODY_SERVICE_HOST").strip() for name in ("told", "untold")]
    address = cluster.kubectl("get", "service", "nobody", "-o", "jsonpath={.spec.clusterIP}")
    assert shown == [f"tcp://{address}:80 {address}", "$(NOBODY_PORT)"]


@pytest.mark.every_mode
def test_volumes_environment_and_identity(owner: ClusterOwner, cluster: EmbeddedCluster) -> None:
    cluster.kubectl("create", "configmap", "settings", "--from-literal=level=high")
    cluster.kubectl("create", "secret", "generic", "keys", "--from-literal=token=t0p")
    env = [
        {"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "level"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "GREETING", "value": "level $(LEVEL)"},
    ]
    mounts = [
        {"name": "settings", "mountPath": "/etc/settings"},
        {"name": "keys", "mountPath": "/usr/share/keys", "readOnly": True},
        {"name": "scratch", "mountPath": "/scratch"},
    ]
    volumes = [
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "keys", "secret": {"secretName": "keys"}},
        {"name": "scratch", "emptyDir": {}},
    ]
    fill = {"name": "fill", "image": "shell:1", "command": ["sh", "-c", "id -u > /scratch/by"], "volumeMounts": mounts}
    create_pod(
        cluster,
        "furnished",
        container(env=env, volumeMounts=mounts),
        initContainers=[fill],
        volumes=volumes,
        securityContext={"runAsUser": 4242, "runAsGroup": 4343},
    )
    wait_ready(cluster, "furnished")
    shown = run(
        cluster, "furnished", "echo $GREETING; id -u; id -g; cat /scratch/by /usr/share/keys/token; echo; hostname"
    )
    user, group = ("0", "0") if owner.has_single_uid else ("4242", "4343")
    assert shown.split("\n")[:-1] == ["level high", user, group, user, "t0p", "furnished"]
    told = eventually(lambda: events_until(cluster, "furnished", "Started container main"))
    assert ("securityContext.runAsUser 4242" in told) is owner.has_single_uid
    address = run(cluster, "furnished", "echo $IP").strip()
    assert address == status_of(cluster, "furnished")["podIP"]
    assert address in run(cluster, "furnished", "cat /etc/hosts")
    cluster.kubectl("patch", "configmap", "settings", "-p", '{"data": {"level": "low"}}')
    assert eventually(lambda: run(cluster, "furnished", "cat /etc/settings/level") == "low")


@pytest.mark.every_mode
def test_machine_is_protected_from_pods(cluster: EmbeddedCluster) -> None:
    """Even root in a container: the machine's files are read-only, the cluster's keys are not there at all."""
    create_pod(cluster, "intruder", container("root:1"))
    wait_ready(cluster, "intruder")
    data = cluster.data_dir
    script = (
        f"ls {data}/pki 2>/dev/null; touch /usr/x 2>/dev/null && echo wrote; touch /tmp/mine && echo private; "
        "mount -t tmpfs none /mnt 2>/dev/null && echo mounted; ip link add type dummy 2>/dev/null && echo linked; true"
    )
    assert run(cluster, "intruder", script) == "private\n"
    assert not Path("/tmp/mine").exists()


def test_service_account_token_is_accepted(cluster: EmbeddedCluster) -> None:
    create_pod(cluster, "agent", container())
    wait_ready(cluster, "agent")
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    curl = f'curl -s --cacert {folder}/ca.crt -H "Authorization: Bearer $(cat {folder}/token)"'
    reviewed = run(
        cluster,
        "agent",
        f"{curl} https://kubernetes.default.svc/apis/authentication.k8s.io/v1/selfsubjectreviews -X POST "
        "-H 'Content-Type: application/json' "
        """-d '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'""",
    )
    assert "system:serviceaccount:default:default" in reviewed


@pytest.mark.every_mode
def test_exec_logs_and_copy(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    create_pod(cluster, "talker", container())
    wait_ready(cluster, "talker")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run(cluster, "talker", "echo partly; exit 7")
    assert (failed.value.returncode, failed.value.stdout) == (7, "partly\n")
    assert cluster.kubectl("exec", "-i", "talker", "--", "wc", "-c", stdin="x" * 100_000).strip() == "100000"
    assert cluster.kubectl("logs", "talker") == "started\n"
    assert cluster.kubectl("logs", "talker", "--timestamps").endswith("Z started\n")
    (tmp_path / "sent").write_bytes(bytes(range(256)) * 1000)
    cluster.kubectl("cp", str(tmp_path / "sent"), "talker:/tmp/there")
    cluster.kubectl("cp", "talker:/tmp/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (tmp_path / "sent").read_bytes()


@pytest.mark.parametrize("websocket", ["true", "false"])
def test_exec_over_both_protocols(cluster: EmbeddedCluster, websocket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """kubectl before 1.31 knows SPDY only."""
    monkeypatch.setenv("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websocket)
    create_pod(cluster, f"spoken-to-{websocket}", container())
    wait_ready(cluster, f"spoken-to-{websocket}")
    with pytest.raises(subprocess.CalledProcessError) as failed:
        cluster.kubectl("exec", "-i", f"spoken-to-{websocket}", "--", "sh", "-c", "wc -c; exit 5", stdin="x" * 300_000)
    assert (failed.value.returncode, failed.value.stdout) == (5, "300000\n")


def test_attached_container_gets_input(cluster: EmbeddedCluster) -> None:
    options = ["-i", "--rm", "--restart=Never", "--image=shell:1", "--quiet"]
    shown = cluster.kubectl(
        "run", "echo", *options, "--command", "--", "sh", "-c", "read x; echo got $x", stdin="this\n"
    )
    assert shown == "got this\n"


@pytest.mark.parametrize("websocket", ["true", "false"])
def test_port_forward(cluster: EmbeddedCluster, websocket: str) -> None:
    name = f"target-{websocket}"
    # kubectl ends when nobody listens in the pod yet.
    listens = {"tcpSocket": {"port": 9080}, "periodSeconds": 1}
    env = [{"name": "HW_RESPONSE", "value": "through"}]
    create_pod(cluster, name, container("crossfade/djapp:v1", env=env, readinessProbe=listens))
    wait_ready(cluster, name)
    (port,) = free_ports(1)
    kubectl = str(Path(sys.executable).parent / "kubectl")
    command = [kubectl, "--kubeconfig", str(cluster.kubeconfig), "port-forward", f"pod/{name}", f"{port}:9080"]
    environment = {**os.environ, "KUBECTL_PORT_FORWARD_WEBSOCKETS": websocket}
    forward = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert eventually(lambda: _answers(f"http://127.0.0.1:{port}") == {"through"})
    finally:
        forward.terminate()
        forward.wait()


def test_unknown_image_says_what_to_do(cluster: EmbeddedCluster) -> None:
    create_pod(cluster, "unknown", container("example.org/shop/cart:v2"))
    waiting = eventually(lambda: state_of(cluster, "unknown").get("state", {}).get("waiting", {}).get("message"))
    assert 'match: "example.org/shop/cart"' in waiting
    assert "images.yaml" in waiting
    assert eventually(lambda: "Failed to pull image" in cluster.kubectl("describe", "pod", "unknown"))


@pytest.mark.every_mode
def test_an_image_runs_as_the_user_that_its_entry_names(owner: ClusterOwner, cluster: EmbeddedCluster) -> None:
    create_pod(cluster, "named", container("named:1"))
    wait_ready(cluster, "named")
    nobody = pwd.getpwnam("nobody")
    ids = cluster.kubectl("exec", "named", "--", "sh", "-c", "id -u; id -g").split()
    assert ids == (["0", "0"] if owner.has_single_uid else [str(nobody.pw_uid), str(nobody.pw_gid)])


def test_an_unknown_user_of_an_image_is_named(cluster: EmbeddedCluster) -> None:
    create_pod(cluster, "misnamed", container("misnamed:1"))
    waiting = eventually(lambda: state_of(cluster, "misnamed").get("state", {}).get("waiting", {}).get("message"))
    assert '"misnamed:*" has the user "nobdy"' in waiting
    reason = state_of(cluster, "misnamed")["state"]["waiting"]["reason"]
    assert reason in ("ErrImagePull", "ImagePullBackOff")


def test_crashing_container_is_restarted_with_back_off(cluster: EmbeddedCluster) -> None:
    create_pod(cluster, "crasher", container(command=["sh", "-c", "echo life $$; exit 3"]))
    eventually(
        lambda: state_of(cluster, "crasher").get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff"
    )
    state = state_of(cluster, "crasher")
    assert state["restartCount"] == 1
    assert state["lastState"]["terminated"]["exitCode"] == 3
    assert cluster.kubectl("logs", "crasher", "--previous").startswith("life")


def test_completed_pod(cluster: EmbeddedCluster) -> None:
    create_pod(cluster, "once", container(command=["true"]), restartPolicy="Never")
    eventually(lambda: status_of(cluster, "once")["phase"] == "Succeeded")


def test_failing_liveness_probe_restarts(cluster: EmbeddedCluster) -> None:
    """After its preStop hook, and within the grace period of the probe, if that has one."""
    probe = {"exec": {"command": ["test", "!", "-e", "/tmp/ill"]}, "periodSeconds": 1, "failureThreshold": 1}
    deaf = container(
        command=["sh", "-c", "trap '' TERM; while :; do sleep 1; done"],
        livenessProbe={**probe, "terminationGracePeriodSeconds": 1},
        lifecycle={"preStop": {"exec": {"command": ["sh", "-c", "echo told > /dev/termination-log"]}}},
    )
    create_pod(cluster, "mortal", deaf, terminationGracePeriodSeconds=3600)
    wait_ready(cluster, "mortal")
    run(cluster, "mortal", "touch /tmp/ill")
    eventually(lambda: state_of(cluster, "mortal")["restartCount"] == 1)
    ended = state_of(cluster, "mortal")["lastState"]["terminated"]
    assert (ended["exitCode"], ended["message"]) == (137, "told\n")
    cluster.kubectl("delete", "pod", "mortal", "--now")


def test_readiness_follows_the_probe(cluster: EmbeddedCluster) -> None:
    probe = {"exec": {"command": ["test", "-e", "/tmp/open"]}, "periodSeconds": 1, "failureThreshold": 1}
    create_pod(cluster, "moody", container(readinessProbe=probe))
    eventually(lambda: "running" in state_of(cluster, "moody").get("state", {}))
    assert not state_of(cluster, "moody")["ready"]
    run(cluster, "moody", "touch /tmp/open")
    eventually(lambda: state_of(cluster, "moody")["ready"])
    run(cluster, "moody", "rm /tmp/open")
    eventually(lambda: not state_of(cluster, "moody")["ready"])


def test_hooks_sidecar_and_termination_message(cluster: EmbeddedCluster) -> None:
    """A sidecar begins first; postStart is over before the next container begins; preStop runs before the end."""
    shared = [{"name": "shared", "mountPath": "/shared"}]
    side = {"name": "side", "image": "shell:1", "restartPolicy": "Always", "volumeMounts": shared}
    side["command"] = ["sh", "-c", "date +%s%N > /shared/0-side; sleep infinity"]
    hooks = {"postStart": {"exec": {"command": ["sh", "-c", "sleep 0.3; date +%s%N > /shared/1-hook"]}}}
    hooks["preStop"] = {"exec": {"command": ["sh", "-c", "echo told > /dev/termination-log"]}}
    second = {"name": "second", "image": "shell:1", "volumeMounts": shared}
    second["command"] = ["sh", "-c", "date +%s%N > /shared/2-second; sleep infinity"]
    create_pod(
        cluster,
        "staged",
        container(volumeMounts=shared, lifecycle=hooks),
        second,
        initContainers=[side],
        volumes=[{"name": "shared", "emptyDir": {}}],
    )
    wait_ready(cluster, "staged")
    moments = [int(moment) for moment in run(cluster, "staged", "cat /shared/*").split()]
    assert len(moments) == 3
    assert moments == sorted(moments)
    patch = '{"metadata": {"finalizers": ["example.org/hold"]}}'
    cluster.kubectl("patch", "pod", "staged", "--type=merge", "-p", patch)
    cluster.kubectl("delete", "pod", "staged", "--wait=false")
    eventually(lambda: state_of(cluster, "staged")["state"].get("terminated", {}).get("message") == "told\n")
    cluster.kubectl("patch", "pod", "staged", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')


def with_sidecars(cluster: EmbeddedCluster, name: str, script: str, **spec: Any) -> None:
    """Two sidecars, `early` and `late`; all write to one log what happens to them, which `late` shows at its end."""
    shared = {"image": "shell:1", "volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    early = {"name": "early", "restartPolicy": "Always", **shared}
    early["lifecycle"] = {"preStop": {"exec": {"command": ["sh", "-c", "echo early-hook >> /shared/log"]}}}
    early["command"] = ["sh", "-c", noting("early", "cat /shared/log > /dev/termination-log")]
    late = {"name": "late", "restartPolicy": "Always", **shared}
    late["command"] = [
        "sh",
        "-c",
        f"(sleep 0.5; echo late-opens >> /shared/log; touch /shared/open) & {noting('late')}",
    ]
    late["startupProbe"] = {
        "exec": {"command": ["test", "-e", "/shared/open"]},
        "periodSeconds": 1,
        "failureThreshold": 60,
    }
    create_pod(
        cluster,
        name,
        {"name": "main", "command": ["sh", "-c", script], **shared},
        initContainers=[early, late],
        volumes=[{"name": "shared", "emptyDir": {}}],
        **spec,
    )


def noting(name: str, at_the_end: str = "true") -> str:
    told = f"trap 'echo {name}-told >> /shared/log; {at_the_end}; exit 0' TERM"
    return f"{told}; echo {name}-starts >> /shared/log; sleep infinity & wait"


def last_words(cluster: EmbeddedCluster, name: str) -> list[str]:
    """The shared log as the sidecar `early` left it, which ends last."""

    def ended() -> str:
        (early, _) = status_of(cluster, name)["initContainerStatuses"]
        return str(early["state"].get("terminated", {}).get("message", ""))

    return str(eventually(ended)).split()


def test_sidecars_serve_from_before_the_start_to_after_the_end(cluster: EmbeddedCluster) -> None:
    with_sidecars(cluster, "served", noting("main", "sleep 1; echo main-ends >> /shared/log"))
    wait_ready(cluster, "served")
    assert cluster.kubectl("get", "pod", "served", "--no-headers").split()[1:4] == ["3/3", "Running", "0"]
    held = '{"metadata": {"finalizers": ["example.org/hold"]}}'
    cluster.kubectl("patch", "pod", "served", "--type=merge", "-p", held)
    cluster.kubectl("delete", "pod", "served", "--wait=false")
    words = last_words(cluster, "served")
    eventually(lambda: status_of(cluster, "served")["phase"] == "Succeeded")
    cluster.kubectl("patch", "pod", "served", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    assert words[:4] == ["early-starts", "late-starts", "late-opens", "main-starts"]
    # The hook of a sidecar runs when the end begins, beside the others.
    words.remove("early-hook")
    assert words[4:] == ["main-told", "main-ends", "late-told", "early-told"]


def test_a_pod_with_sidecars_completes(cluster: EmbeddedCluster) -> None:
    with_sidecars(cluster, "job", "echo main-works >> /shared/log", restartPolicy="Never")
    words = last_words(cluster, "job")
    assert words.index("early-hook") < words.index("early-told")
    words.remove("early-hook")
    assert words[3:] == ["main-works", "late-told", "early-told"]
    eventually(lambda: status_of(cluster, "job")["phase"] == "Succeeded")
    assert cluster.kubectl("get", "pod", "job", "--no-headers").split()[1:3] == ["0/3", "Completed"]


def test_a_sidecar_that_ended_comes_back_and_the_pod_stays_what_it_was(cluster: EmbeddedCluster) -> None:
    with_sidecars(cluster, "wounded", noting("main"))
    wait_ready(cluster, "wounded")
    # With its first process the container ends, and this shell, if it has not ended by itself.
    with contextlib.suppress(subprocess.CalledProcessError):
        cluster.kubectl("exec", "wounded", "-c", "late", "--", "sh", "-c", "kill 1")

    def is_back() -> bool:
        status = status_of(cluster, "wounded")
        assert status["phase"] == "Running"
        late = status["initContainerStatuses"][1]
        return bool(late["restartCount"] == 1 and late["ready"])

    eventually(is_back)
    assert state_of(cluster, "wounded")["restartCount"] == 0


def test_deletion_is_graceful_and_bounded(cluster: EmbeddedCluster) -> None:
    create_pod(cluster, "polite", container())
    create_pod(cluster, "deaf", container(command=["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]))
    wait_ready(cluster, "polite", "deaf")
    started = time.monotonic()
    cluster.kubectl("delete", "pod", "polite")
    assert time.monotonic() - started < 5
    cluster.kubectl("delete", "pod", "deaf", "--grace-period=1")
    assert time.monotonic() - started < 15


def test_pod_of_another_scheduler_stays_pending(cluster: EmbeddedCluster) -> None:
    create_pod(cluster, "unclaimed", container(), schedulerName="nobody")
    create_pod(cluster, "picky", container(), nodeSelector={"disk": "ssd"})
    eventually(lambda: "didn't match" in str(status_of(cluster, "picky").get("conditions")))
    assert status_of(cluster, "unclaimed")["phase"] == "Pending"
    assert not status_of(cluster, "unclaimed").get("conditions")


@pytest.mark.every_mode
def test_limits_that_no_control_group_keeps_are_told(owner: ClusterOwner, cluster: EmbeddedCluster) -> None:
    if owner.mode is Mode.ROOT:
        pytest.skip("a root's cluster keeps them")
    create_pod(cluster, "bounded", container(resources={"limits": {"memory": "256Mi"}}))
    told = eventually(lambda: cluster.kubectl("events", "--for", "pod/bounded").partition("LimitsNotKept")[2])
    assert "spec.containers[0].resources.limits: programs are not kept within these limits" in told


@pytest.mark.every_mode
def test_process_that_left_its_group_ends_with_the_pod(cluster: EmbeddedCluster) -> None:
    create_pod(cluster, "daemon", container(command=["sh", "-c", "setsid sleep 86399.5 & sleep infinity"]))
    wait_ready(cluster, "daemon")
    eventually(lambda: _runs("86399.5"))
    cluster.kubectl("delete", "pod", "daemon", "--grace-period=1")
    eventually(lambda: not _runs("86399.5"))


def _runs(word: str) -> bool:
    return any(command.startswith(f"sleep\0{word}".encode()) for command in _command_lines())


def _command_lines() -> Iterator[bytes]:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield file.read_bytes()


@pytest.mark.every_mode
def test_a_volume_hides_no_program_of_an_image(cluster: EmbeddedCluster) -> None:
    """The image's own is below a directory of the machine in whose place the volume is."""
    _, first, second, *_ = cluster.data_dir.parts
    above = f"/{first}"
    volumes = [{"name": "scratch", "emptyDir": {}}]
    mounts = [{"name": "scratch", "mountPath": above}]
    create_pod(cluster, "covered", container("keeps:1", volumeMounts=mounts), volumes=volumes)
    wait_ready(cluster, "covered")
    assert {"mine", second} <= set(run(cluster, "covered", f"touch {above}/mine && ls {above}").split())


@pytest.mark.every_mode
def test_read_only_root_and_refused_host_network(cluster: EmbeddedCluster) -> None:
    scratch = [{"name": "scratch", "mountPath": "/scratch"}]
    security = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False}
    create_pod(
        cluster,
        "sealed",
        container("root:1", securityContext=security, volumeMounts=scratch),
        volumes=[{"name": "scratch", "emptyDir": {}}],
    )
    create_pod(cluster, "wide", container(), hostNetwork=True)
    wait_ready(cluster, "sealed")
    script = "touch /tmp/x 2>/dev/null || echo sealed; touch /scratch/x && grep NoNewPrivs /proc/self/status"
    assert run(cluster, "sealed", script).split() == ["sealed", "NoNewPrivs:", "1"]
    eventually(lambda: "spec.hostNetwork is not available" in cluster.kubectl("describe", "pod", "wide"))


def test_drain_ends_as_budgets_allow_and_uncordon_brings_pods_back(cluster: EmbeddedCluster) -> None:
    spec = {"containers": [container("root:1")], "terminationGracePeriodSeconds": 0}
    template = {"metadata": {"labels": {"app": "drained"}}, "spec": spec}
    selector = {"matchLabels": {"app": "drained"}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "drained"},
        "spec": {"replicas": 2, "selector": selector, "template": template},
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(deployment))
    cluster.kubectl("create", "poddisruptionbudget", "drained", "--selector=app=drained", "--max-unavailable=1")
    cluster.kubectl("wait", "--for=jsonpath={.status.disruptionsAllowed}=1", "pdb/drained", f"--timeout={SOON_S:g}s")
    node = cluster.kubectl("get", "nodes", "-o", "name").strip()
    try:
        # With one node the second pod waits for the first one's successor, which has no place to go to.
        with pytest.raises(subprocess.CalledProcessError):
            cluster.kubectl("drain", node, "--pod-selector=app=drained", "--timeout=1s")
        counts = "{.status.disruptionsAllowed} {.status.currentHealthy} {.status.desiredHealthy}"
        assert cluster.kubectl("get", "pdb", "drained", "-o", f"jsonpath={counts}") == "0 1 1"
        reasons = "jsonpath={.items[*].status.conditions[*].message}"
        listing = ("get", "pods", "-lapp=drained", "-o", reasons)
        eventually(lambda: "1 node(s) were unschedulable" in cluster.kubectl(*listing))
        cluster.kubectl("delete", "pdb", "drained")
        cluster.kubectl("drain", node, "--pod-selector=app=drained", f"--timeout={SOON_S:g}s")
    finally:
        cluster.kubectl("uncordon", node)
    cluster.kubectl("rollout", "status", "deployment/drained", f"--timeout={SOON_S:g}s")
    cluster.kubectl("delete", "deployment", "drained", "--wait=false")
