"""How calls reach etcd: certificates, channels, deadlines, failover, tokens, and what a failure means.

Only `backstay.etcd` imports this; users see the services.
"""
