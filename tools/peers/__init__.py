"""Real etcd releases for the tests: which (`versions.toml`), from where (`sources`), to where (`catalogue`)."""
