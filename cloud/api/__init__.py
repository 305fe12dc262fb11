"""The Kubernetes-shaped HTTP API over the objects of `cloud.store`."""
