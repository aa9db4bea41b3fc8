"""How `backstay run` is started where a cluster runs: `cadence` says how often, `kubernetes` and `systemd` write it down.

Pure: a `Deployment` in, documents out. Nothing is applied, installed or started.
"""
