"""One shop for these tests."""

from tests.support.gateway import ingress, service

PLUGIN = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: {0}}}
plugin: {1}
config: {{{2}}}
---
"""
CONSUMER = """\
apiVersion: v1
kind: Secret
metadata: {name: ann-key, labels: {konghq.com/credential: key-auth}}
stringData: {key: s3cret}
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: ann, annotations: {kubernetes.io/ingress.class: kong, konghq.com/plugins: annual}}
username: ann
credentials: [ann-key]
consumerGroups: [gold]
---
apiVersion: configuration.konghq.com/v1beta1
kind: KongConsumerGroup
metadata: {name: gold, annotations: {kubernetes.io/ingress.class: kong, konghq.com/plugins: golden}}
---
"""
GLOBAL = """\
apiVersion: configuration.konghq.com/v1
kind: KongClusterPlugin
metadata: {name: everywhere, labels: {global: "true"}, annotations: {kubernetes.io/ingress.class: kong}}
plugin: cors
---
"""
SHOP = "".join(
    [
        service("web", 9080).replace("name: web}", "name: web, annotations: {konghq.com/plugins: number}}", 1),
        ingress("shop", "/shop", "web", "konghq.com/plugins: auth"),
        ingress("deals", "/shop/deals", "web"),
        ingress("secure", "/secure", "web", "konghq.com/protocols: https"),
        ingress("moved", "/moved", "web", 'konghq.com/protocols: https, konghq.com/https-redirect-status-code: "308"'),
        ingress("broken", "/broken", "web", "konghq.com/plugins: bad"),
        ingress("empty", "/empty", "nothing"),
        ingress("write", "/write", "web", "konghq.com/methods: POST").replace("- http:", "- host: w.test\n    http:"),
        PLUGIN.format("auth", "key-auth", ""),
        PLUGIN.format("number", "correlation-id", "header_name: x-number"),
        PLUGIN.format("annual", "rate-limiting", "year: 1"),
        PLUGIN.format("golden", "response-transformer", "add: {headers: ['x-gold:1']}"),
        PLUGIN.format("bad", "rate-limiting", "minute: 0"),
        CONSUMER,
        GLOBAL,
    ]
)
DATABASE = (
    service("db", 5432).replace("port: 80}", "port: 5432}")
    + """\
apiVersion: configuration.konghq.com/v1beta1
kind: TCPIngress
metadata: {name: db, annotations: {kubernetes.io/ingress.class: kong}}
spec: {rules: [{port: 9000, backend: {serviceName: db, servicePort: 5432}}]}
---
"""
)
STREAMS = "".join(
    [
        DATABASE,
        """\
apiVersion: configuration.konghq.com/v1beta1
kind: TCPIngress
metadata: {name: named, annotations: {kubernetes.io/ingress.class: kong}}
spec:
  rules:
  - {port: 9443, host: db.test, backend: {serviceName: db, servicePort: 5432}}
  - {port: 9443, host: "*.wide.test", backend: {serviceName: nothing, servicePort: 1}}
  - {port: 9999, backend: {serviceName: db, servicePort: 5432}}
  - {port: 9000, backend: {serviceName: db, servicePort: 5432}}
---
apiVersion: configuration.konghq.com/v1beta1
kind: TCPIngress
metadata:
  name: through
  annotations: {kubernetes.io/ingress.class: kong, konghq.com/protocols: tls_passthrough}
spec: {rules: [{port: 9443, host: raw.test, backend: {serviceName: db, servicePort: 5432}}]}
---
apiVersion: configuration.konghq.com/v1beta1
kind: TCPIngress
metadata:
  name: guarded
  annotations: {kubernetes.io/ingress.class: kong, konghq.com/plugins: wall}
spec: {rules: [{port: 9001, backend: {serviceName: db, servicePort: 5432}}]}
---
apiVersion: configuration.konghq.com/v1beta1
kind: UDPIngress
metadata: {name: names, annotations: {kubernetes.io/ingress.class: kong}}
spec: {rules: [{port: 9053, backend: {serviceName: dns, servicePort: 53}}]}
---
""",
        service("dns", 5432).replace("port: 80}", "port: 53, protocol: UDP}").replace("5432}", "5432, protocol: UDP}"),
        PLUGIN.format("wall", "ip-restriction", "deny: [10.0.0.0/8]"),
    ]
)
