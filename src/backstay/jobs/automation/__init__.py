"""What runs by itself: `agent` makes points when they are due, `maintainer` proves, merges and sweeps, `standing` judges.

`copy` is the port to one place of copies, `repository_copy` and `plain_copy` are the two kinds; `journal` is what a host
remembers between runs, `crew` keeps one slow place from holding up the others, `metrics` says it all to Prometheus.
Clock, entropy, stores and the source are handed in, so that ninety days pass in a test within seconds.
"""
