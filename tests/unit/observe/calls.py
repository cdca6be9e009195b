"""Calls as proxies make them."""

import json

from crossfade.envoy.proto import logs_service_v1


def call(*logs: dict[str, str], began_s: float = 1_000.5, trace: str = "") -> bytes:
    message = logs_service_v1.ExportLogsServiceRequest()
    scope = message.resource_logs.add().scope_logs.add()
    for texts in logs:
        log = scope.log_records.add(time_unix_nano=round(began_s * 1e9), trace_id=bytes.fromhex(trace))
        for key, text in texts.items():
            log.attributes.add(key=key).value.string_value = text
    return message.SerializeToString()


def log(**texts: str) -> dict[str, str]:
    """Of a sidecar, unless said otherwise."""
    usual = {"side": "source", "method": "GET", "scheme": "http", "host": "jazz.prod", "path": "/", "code": "200"}
    return {**usual, "flags": "-", "duration": "2", "target": "jazz-v1", "target_namespace": "prod", **texts}


def gateway_log(code: str = "200", **note: object) -> dict[str, str]:
    usual = {"id": "1917a0" + "0" * 26, "method": "GET", "host": "shop.example", "path": "/cart"}
    return log(side="gateway", code=code, target="-", path="/rewritten", note=json.dumps({**usual, **note}))
