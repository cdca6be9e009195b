"""Consumers in groups: a group's limit is for its members, their own comes first, acl knows groups by name."""

from pathlib import Path

import pytest

from tests.support.gateway import RunningGateway, eventually, ingress, running_gateway, service, upstream

pytestmark = pytest.mark.envoy

_GROUPS = """\
apiVersion: configuration.konghq.com/v1beta1
kind: KongConsumerGroup
metadata: {{name: gold, annotations: {{kubernetes.io/ingress.class: kong, konghq.com/plugins: "{gold}"}}}}
---
apiVersion: configuration.konghq.com/v1beta1
kind: KongConsumerGroup
metadata: {{name: staff, annotations: {{kubernetes.io/ingress.class: kong}}}}
"""
_PLUGINS = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: key}
plugin: key-auth
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: staff-only}
plugin: acl
config: {allow: [staff], include_consumer_groups: true}
"""


def plugins(names: str) -> str:
    return f'konghq.com/plugins: "{names}"'


def limit(name: str, per_hour: int) -> str:
    return f"""\
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: {name}}}
plugin: rate-limiting
config: {{hour: {per_hour}, policy: local}}
"""


def consumer(name: str, groups: str, plugins: str = "") -> str:
    return f"""\
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {{name: {name}, annotations: {{kubernetes.io/ingress.class: kong, konghq.com/plugins: "{plugins}"}}}}
username: {name}
credentials: [{name}]
consumerGroups: [{groups}]
---
apiVersion: v1
kind: Secret
metadata: {{name: {name}, labels: {{konghq.com/credential: key-auth}}}}
stringData: {{key: {name}-key}}
"""


def limit_of(gateway: RunningGateway, name: str, path: str = "/shop") -> str | None:
    answer = gateway.get(path, {"apikey": f"{name}-key"})
    return answer.headers.get("RateLimit-Limit") if answer.status == 200 else str(answer.status)


def test_members_have_the_plugins_of_their_groups(tmp_path: Path) -> None:
    with upstream("web") as port:
        routes = ingress("shop", "/shop", "web", plugins("key, usual"))
        routes += ingress("office", "/office", "web", plugins("key, staff-only"))
        (tmp_path / "shop.yaml").write_text(service("web", port) + routes + _PLUGINS)
        (tmp_path / "limits.yaml").write_text(limit("usual", 10) + limit("much", 20) + limit("most", 30))
        (tmp_path / "groups.yaml").write_text(_GROUPS.format(gold="much"))
        (tmp_path / "consumers.yaml").write_text(
            consumer("ann", "gold") + consumer("bob", "") + consumer("vip", "gold, staff", "most")
        )
        with running_gateway(tmp_path) as gateway:
            eventually(lambda: limit_of(gateway, "bob") == "10")
            # Consumer before group before route; as in Kong's order of scopes.
            assert [limit_of(gateway, name) for name in ("ann", "vip", "bob")] == ["20", "30", "10"]
            # Where the route has no limit, the group's holds all the same; acl counts groups by name.
            assert [limit_of(gateway, name, "/office") for name in ("ann", "vip", "bob")] == ["403", "30", "403"]

            draft = tmp_path / ".groups.yaml"
            draft.write_text(_GROUPS.format(gold="most"))
            draft.rename(tmp_path / "groups.yaml")
            eventually(lambda: limit_of(gateway, "ann") == "10", seen=gateway.lines)
            told = [line for line in gateway.lines if "KongConsumerGroup default/gold" in line]
            assert any("it applies to those consumers only, not to the group" in line for line in told), told

            (tmp_path / "groups.yaml").unlink()
            eventually(lambda: limit_of(gateway, "ann") == "401", seen=gateway.lines)
            assert limit_of(gateway, "bob") == "10"
            assert any("KongConsumerGroup default/gold not found" in line for line in gateway.lines)
