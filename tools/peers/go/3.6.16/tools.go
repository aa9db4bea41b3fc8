//go:build tools

// Package peers names the three etcd programs that backstay's tests run against,
// so that go.mod requires what they need. Nothing ever compiles this file.
package peers

import (
	_ "go.etcd.io/etcd/etcdctl/v3"
	_ "go.etcd.io/etcd/etcdutl/v3"
	_ "go.etcd.io/etcd/server/v3"
)
