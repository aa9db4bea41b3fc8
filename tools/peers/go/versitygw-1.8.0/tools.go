//go:build tools

// Package peers names the S3 gateway that backstay's tests run against, so that go.mod requires what it needs.
// Nothing ever compiles this file.
package peers

import (
	_ "github.com/versity/versitygw/cmd/versitygw"
)
