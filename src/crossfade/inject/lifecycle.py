"""How a sidecar begins before its application and ends after it: fields of its container."""

from typing import Final

from crossfade.inject.settings import PROBE_TIMEOUT_S, SidecarSettings
from crossfade_kube.meta import JsonObject

STATE_FOLDER: Final = "/tmp/crossfade-proxy"  # noqa: S108 - of the container, which shares it with nobody
_DEFAULT_GRACE_S: Final = 30
_ASKS_EVERY_S: Final = 0.2


def native_lifecycle(settings: SidecarSettings) -> JsonObject:
    """Of an init container that is never done: the kubelet starts the others when it has its configuration, and ends it
    after them. Only the hook tells it that the pod begins to end."""
    return {
        "restartPolicy": "Always",
        "env": _env(),
        "startupProbe": {
            "httpGet": {"path": "/ready", "port": settings.admin_port},
            "periodSeconds": 1,
            "timeoutSeconds": PROBE_TIMEOUT_S,
            "failureThreshold": settings.start_timeout_s,
        },
        "lifecycle": {"preStop": _shell(f"{_ANNOUNCE}; sleep {settings.pre_stop_delay_s}")},
    }


def classic_lifecycle(settings: SidecarSettings, pod_spec: JsonObject) -> JsonObject:
    """Of one of the pod's containers, told to end with all others: it stays as long as they seem to live. A later
    container begins when the hook of the one before is over: that is how the application waits."""
    grace_s = pod_spec.get("terminationGracePeriodSeconds")
    hooks: JsonObject = {}
    if settings.pre_stop_delay_s:
        hooks["preStop"] = _shell(f"{_ANNOUNCE}; sleep {settings.pre_stop_delay_s}")
    if settings.waits_until_ready:
        hooks["postStart"] = _shell(_until_ready(settings.start_timeout_s))
    env = _env({"CROSSFADE_WAIT_FOR_APP_S": str(_DEFAULT_GRACE_S if grace_s is None else grace_s)})
    return {"env": env, **({"lifecycle": hooks} if hooks else {})}


# The process id is the proxy's; what else the hook may say is of no use to anybody.
_ANNOUNCE: Final = f'kill -USR2 "$(cat {STATE_FOLDER}/pid 2>/dev/null)" 2>/dev/null'


def _until_ready(timeout_s: int) -> str:
    return (
        f"n=0; until [ -e {STATE_FOLDER}/ready ]; do n=$((n + 1)); "
        f'[ $n -le {round(timeout_s / _ASKS_EVERY_S)} ] || {{ echo "the proxy was not ready within {timeout_s} s" >&2; '
        f"exit 1; }}; sleep {_ASKS_EVERY_S}; done"
    )


def _env(more: dict[str, str] | None = None) -> list[JsonObject]:
    values = {"CROSSFADE_STATE_FOLDER": STATE_FOLDER, **(more or {})}
    return [{"name": name, "value": value} for name, value in values.items()]


def _shell(script: str) -> JsonObject:
    return {"exec": {"command": ["sh", "-c", script]}}
