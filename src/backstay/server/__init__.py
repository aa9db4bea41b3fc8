"""The etcd v3 face of a store: what its clients see on the wire. The store itself, its files and its log are `store/`."""
