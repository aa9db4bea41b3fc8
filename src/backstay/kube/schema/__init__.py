"""The table of Kubernetes' types: every message that any release from 1.17 on has stored, merged into one.

`messages.txt` is the data, written by `tools/generate_kubernetes_table`; `table` reads it. Field numbers are never used
twice, so one table reads the values of every release; how a release prints a field is among its facts.
"""

from backstay.kube.schema.table import Field, Message, Table, message_name, shipped_table

__all__ = ["Field", "Message", "Table", "message_name", "shipped_table"]
