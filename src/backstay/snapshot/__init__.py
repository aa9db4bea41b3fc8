"""One file or data directory of etcd: open, inspect, save, verify, restore.

Stands on `formats` (the bytes) and `store` (what a log entry does); knows neither the repository nor the command line.
"""
