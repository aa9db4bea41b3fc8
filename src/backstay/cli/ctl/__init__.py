"""`backstay ctl`: etcdctl's daily commands over our own client, so that no etcdctl binary is needed.

Names, flags, output, exit statuses and the split between stdout and stderr are those of etcdctl 3.7; scripts may replace
`etcdctl` by `backstay ctl`. Additions: `--dry-run` on everything that changes something, `-w yaml`, and our explanation
where etcdctl only says that a deadline passed. `table.py` lists the commands, `frame.py` is what they share.
"""

__all__: list[str] = []
