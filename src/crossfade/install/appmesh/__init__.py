"""The CustomResourceDefinitions of `appmesh.k8s.aws/v1beta2`, one file a kind."""
