"""Manifests for these tests."""

PLUGIN = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: limit}
plugin: rate-limiting
config: {minute: %s}
"""
CONSUMER = """\
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: %s, annotations: {kubernetes.io/ingress.class: kong}}
username: %s
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 9080}]
endpoints: [{addresses: [127.0.0.1]}]
"""
INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, annotations: {konghq.com/plugins: limit}}
spec:
  ingressClassName: kong
  rules:
  - http:
      paths:
      - {path: %s, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
"""
