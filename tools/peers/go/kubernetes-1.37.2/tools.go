//go:build tools

// Package peers names the Kubernetes program that backstay's tests run against,
// so that go.mod requires what it needs. Nothing ever compiles this file.
package peers

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
)
