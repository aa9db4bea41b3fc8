"""What etcd's keys and values mean to Kubernetes: names, envelopes, encryption at rest, typed protobuf, JSON.

    key, value --> keys (which object) --> encryption (plain bytes) --> envelope (which encoding) --> decode (JSON)

Pure: it takes bytes and gives values. Where the bytes come from is known to `sources`, what people see to `cli`. Values are
hostile here: whatever they hold, the answer is an object with a labelled problem, never an exception.
"""
