"""`backstay serve`: the embedded store as a process, with etcd's flags, log lines and signals."""
