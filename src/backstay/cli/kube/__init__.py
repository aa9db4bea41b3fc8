"""`backstay kube ...`: Kubernetes objects in any source, shown as kubectl would. `options` is how they are opened."""
