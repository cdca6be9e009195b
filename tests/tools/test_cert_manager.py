"""cert-manager by its own chart on the embedded cluster: `make test-tools`.

Of its programs the Go module proxy has 1.10 as the last ones that are in one module with the rest.
"""

import base64
import contextlib
import json
import subprocess
from collections.abc import Iterator

import pytest
from cryptography import x509

from tests.kubernetes.add_ons import CERT_MANAGER, build_add_ons, install, program_of
from tests.kubernetes.build import Cache, cache_folder
from tests.kubernetes.cluster import Cluster
from tests.support.cluster import EmbeddedCluster, embedded_cluster
from tests.support.helm import helm_program
from tests.support.polling import eventually
from tests.tools.test_kubectl import BUILT

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not BUILT.exists() or not helm_program(), reason="`make test-tools` builds what it needs"),
]

CERTIFICATE = """
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: own}
spec: {selfSigned: {}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: song}
spec: {secretName: song-tls, dnsNames: [song.example], issuerRef: {name: own}}
"""
ENTRY = '- {{match: "quay.io/{image}:*", argv: ["{program}"], user: 65532}}\n'


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    cache = Cache(cache_folder())
    build_add_ons(cache, (CERT_MANAGER,))
    directory = tmp_path_factory.mktemp("cert-manager")
    images = directory / "images.yaml"
    entries = CERT_MANAGER.programs.items()
    images.write_text(
        "".join(ENTRY.format(image=image, program=program_of(cache, CERT_MANAGER, name)) for image, name in entries)
    )
    with embedded_cluster(directory / "data", "--bare", "--images", str(images)) as running:
        install(Cluster(running.kubeconfig, is_ours=True), cache, CERT_MANAGER)
        yield running


def test_it_issues_a_certificate(cluster: EmbeddedCluster) -> None:
    # Its webhook is called: cainjector has given its configurations their authority.
    eventually(lambda: issued(cluster))
    cluster.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "certificate/song")
    secret = json.loads(cluster.kubectl("get", "secret", "song-tls", "-o", "json"))
    certificate = x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["song.example"]


def issued(cluster: EmbeddedCluster) -> bool:
    with contextlib.suppress(subprocess.CalledProcessError):
        cluster.kubectl("apply", "-f", "-", stdin=CERTIFICATE)
        return True
    return False
