"""Manifests for these tests."""

MESH = """\
apiVersion: v1
kind: Namespace
metadata: {name: prod, labels: {mesh: shop}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: Mesh
metadata: {name: shop}
spec: {namespaceSelector: {matchLabels: {mesh: shop}}}
"""
NODE = """\
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: web, namespace: prod}
spec:
  podSelector: {matchLabels: {app: web}}
  serviceDiscovery: {dns: {hostname: web.prod.svc.cluster.local}}
  listeners:
  - portMapping: {port: 9080, protocol: http}
"""
