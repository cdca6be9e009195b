"""aws-lambda with a stub of AWS' HTTP API: what it is asked, and what clients get of its answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import eventually, ingress, running_gateway, service
from tests.support.lambda_stub import running_lambda

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(120)]

SECRET = "s3cret-word"


def plugin(name: str, port: int, more: str = "") -> str:
    return f"""\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: {name}}}
plugin: aws-lambda
config:
  {{aws_key: AKIDEXAMPLE, aws_secret: {SECRET}, aws_region: eu-west-1, function_name: {name},
   host: 127.0.0.1, port: {port}, disable_https: true{more}}}
---
"""


def test_functions_answer(tmp_path: Path) -> None:
    proxied = {"statusCode": 201, "headers": {"Content-Type": "text/x", "X-Own": "1"}, "body": "made"}
    functions: dict[str, tuple[int, dict[str, str], Any]] = {
        "plain": (200, {"X-Amzn-RequestId": "r-1"}, {"said": []}),
        "proxied": (200, {}, proxied),
        "broken": (200, {}, {"statusCode": 200, "body": 1}),
        "failing": (200, {"X-Amz-Function-Error": "Unhandled"}, {"errorMessage": "no"}),
        "denied": (403, {}, {"Message": "no"}),
    }
    with running_lambda(functions) as aws:
        integration = ", is_proxy_integration: true"
        more = {
            "plain": ", forward_request_method: true, forward_request_uri: true",
            "proxied": f"{integration}, awsgateway_compatible: true",
            "broken": integration,
            "failing": ", unhandled_status: 418",
            "denied": "",
        }
        manifests = service("web", 1) + "".join(
            plugin(name, aws.port, more[name]) + ingress(name, f"/{name}", "web", f"konghq.com/plugins: {name}")
            for name in functions
        )
        (tmp_path / "all.yaml").write_text(manifests)
        with running_gateway(tmp_path) as gateway:
            plain = gateway.get("/plain/x?a=1")
            assert (plain.status, plain.body, plain.headers["X-Amzn-RequestId"]) == (200, '{"said":{}}', "r-1")
            path, headers, payload = aws.asked[-1]
            assert path == "/2015-03-31/functions/plain/invocations"
            assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
            assert payload == {"request_method": "GET", "request_uri": "/plain/x?a=1", "request_uri_args": {"a": "1"}}
            made = gateway.get("/proxied")
            assert (made.status, made.body, made.headers["X-Own"]) == (201, "made", "1")
            assert made.headers["Content-Type"] == "text/x"
            assert aws.asked[-1][2]["requestContext"]["httpMethod"] == "GET"
            broken = gateway.get("/broken")
            assert (broken.status, json.loads(broken.body)["message"]) == (502, "Bad Gateway")
            assert gateway.get("/failing").status == 418
            denied = gateway.get("/denied")
            assert (denied.status, "An unexpected error occurred" in denied.body) == (500, True)
            eventually(lambda: any("AWS answers 403" in line for line in gateway.lines), seen=gateway.lines)
            assert SECRET not in "\n".join(gateway.lines)
