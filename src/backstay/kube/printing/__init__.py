"""Kubernetes objects as `kubectl` prints them: tables, YAML, JSON, names, JSONPath, and what its selectors choose.

Pure functions over the JSON of objects. Nothing here reads a store, looks at a clock or hides anything: the time to count
ages from is passed in, and secrets are taken out before (`backstay.kube.redaction`).
"""
