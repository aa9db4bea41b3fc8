"""Measurements side by side with etcd's own tools: `make bench`, or `python -m bench --help`. No part of the product."""
