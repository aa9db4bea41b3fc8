"""Real etcd and other servers for the tests: which (`versions.toml`), from where (`sources`), to where (`catalogue`)."""
