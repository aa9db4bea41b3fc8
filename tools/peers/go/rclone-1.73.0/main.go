// Package main is rclone with one storage, a directory, and its server that speaks S3: the badly behaved store of backstay's
// tests, which overwrites where it was asked to create. Everything else of rclone is left out, because it takes minutes to build.
package main

import (
	_ "github.com/rclone/rclone/backend/local"
	"github.com/rclone/rclone/cmd"
	_ "github.com/rclone/rclone/cmd/serve"
	_ "github.com/rclone/rclone/cmd/serve/s3"
	_ "github.com/rclone/rclone/cmd/version"
)

func main() { cmd.Main() }
