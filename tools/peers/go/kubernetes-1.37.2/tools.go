//go:build tools

// Package peers names the Kubernetes programs that backstay's tests run against,
// so that go.mod requires what they need. Nothing ever compiles this file.
package peers

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
