"""Key-management plugins of Kubernetes: the one place of `crypto` that sees gRPC. `plugin` is the call."""
