"""What etcdctl prints for each answer of etcd, in every one of its formats, byte for byte.

`answer.py` says what an answer is; one module per group of commands makes them from etcd's messages; `go.py` spells
values as Go does. Pure: messages in, text out. Bytes that are no text are carried as surrogates, so that the text can be
written as the bytes that etcd holds.
"""
