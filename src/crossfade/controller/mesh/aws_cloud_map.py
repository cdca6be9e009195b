"""The API of AWS Cloud Map, as far as App Mesh's controller used it; each call blocks.

Region, endpoint and credentials are those of the standard environment of AWS (`AWS_REGION`, `AWS_ENDPOINT_URL`, keys,
roles of service accounts): botocore finds them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from crossfade.compile.mesh.cloud_map import CloudMapName
from crossfade_kube.errors import ConfigError

_DNS_PRIVATE: Final = "DNS_PRIVATE"
_HTTP: Final = "HTTP"
_AMAZON: Final = ".amazonaws.com"


class AwsError(Exception):
    """A call failed; the text is botocore's, which names the operation."""


class AwsNamespace(NamedTuple):
    id: str
    kind: str


class AwsCloudMap:
    """One client; its calls may come from several threads."""

    def __init__(self, region: str, *, uses_fips: bool = False, dns_ttl_s: int = 300) -> None:
        """`dns_ttl_s` is of the records of new services. Raises ConfigError where botocore is not installed."""
        try:
            import botocore.session
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError as exc:
            raise ConfigError("Cloud Map of AWS needs botocore: install crossfade[aws]") from exc
        self.region = region
        self._dns_ttl_s = dns_ttl_s
        session = botocore.session.get_session()
        self._errors = (BotoCoreError, ClientError)
        fips = {"use_fips_endpoint": True} if uses_fips else {}
        client: Any = session.create_client("servicediscovery", region_name=region, config=Config(**fips))
        if _AMAZON not in client.meta.endpoint_url:
            # Amazon's own endpoint has another host for some calls.
            client = session.create_client(
                "servicediscovery", region_name=region, config=Config(inject_host_prefix=False, **fips)
            )
        self._client = client

    @property
    def endpoint(self) -> str:
        """Whom it asks."""
        found: str = self._client.meta.endpoint_url
        return found

    def namespaces(self) -> dict[str, AwsNamespace]:
        """By name."""
        pages = self._pages("list_namespaces", "Namespaces")
        usable = (one for one in pages if one["Type"] in (_DNS_PRIVATE, _HTTP))
        return {one["Name"]: AwsNamespace(one["Id"], one["Type"]) for one in usable}

    def services(self, namespace: AwsNamespace) -> dict[str, str]:
        """Ids by name."""
        filters = [{"Name": "NAMESPACE_ID", "Values": [namespace.id], "Condition": "EQ"}]
        return {one["Name"]: one["Id"] for one in self._pages("list_services", "Services", Filters=filters)}

    def create_service(self, namespace: AwsNamespace, name: str, *, record: str) -> str:
        """Its id. `record` is A or AAAA, for a namespace with DNS."""
        dns = {"RoutingPolicy": "MULTIVALUE", "DnsRecords": [{"Type": record, "TTL": self._dns_ttl_s}]}
        more = {"DnsConfig": dns} if namespace.kind == _DNS_PRIVATE else {}
        answer = self._call("create_service", Name=name, NamespaceId=namespace.id, **more)
        created: str = answer["Service"]["Id"]
        return created

    def instances(self, service_id: str) -> dict[str, dict[str, str]]:
        """Attributes by id."""
        pages = self._pages("list_instances", "Instances", ServiceId=service_id)
        return {one["Id"]: dict(one.get("Attributes") or {}) for one in pages}

    def register(self, service_id: str, instance_id: str, attributes: Mapping[str, str]) -> None:
        self._call("register_instance", ServiceId=service_id, InstanceId=instance_id, Attributes=dict(attributes))

    def deregister(self, service_id: str, instance_id: str) -> None:
        self._call("deregister_instance", ServiceId=service_id, InstanceId=instance_id)

    def discover(self, name: CloudMapName) -> list[dict[str, str]]:
        """Attributes of the healthy instances, of all where none is healthy; none of a service that is not there."""
        request = {"NamespaceName": name.namespace, "ServiceName": name.service, "HealthStatus": "HEALTHY_OR_ELSE_ALL"}
        try:
            answer = self._call("discover_instances", **request)
        except AwsError as exc:
            if "NotFound" in type(exc.__cause__).__name__ or "NotFound" in str(exc):
                return []
            raise
        return [dict(one.get("Attributes") or {}) for one in answer["Instances"]]

    def _pages(self, operation: str, items: str, **request: Any) -> Iterator[dict[str, Any]]:
        more: dict[str, str] = {}
        while True:
            answer = self._call(operation, **request, **more)
            yield from answer.get(items) or ()
            if not answer.get("NextToken"):
                return
            more = {"NextToken": answer["NextToken"]}

    def _call(self, operation: str, **request: Any) -> Any:
        try:
            return getattr(self._client, operation)(**request)
        except self._errors as exc:
            raise AwsError(str(exc)) from exc
