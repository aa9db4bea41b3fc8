"""Encryption at rest: opening what an API server has encrypted, with the configuration that it reads.

    k8s:enc:aescbc:v1:key1: ...       provider, its version, key; then bytes as each provider writes them
    k8s:enc:kms:v2:cloud: ...

`configuration` reads an EncryptionConfiguration, `providers` and `kms` open values, `salsa` is the cipher of secretbox,
`plugin` asks a plugin,
`decryption` tries the providers of a resource in the order of the configuration. Nothing here encrypts.
"""

from backstay.kube.encryption.configuration import read_configuration
from backstay.kube.encryption.decryption import Decryption, label_of
from backstay.kube.encryption.kms import LocalKeys, read_local_keys
from backstay.kube.encryption.plugin import plugin_at

__all__ = ["Decryption", "LocalKeys", "label_of", "plugin_at", "read_configuration", "read_local_keys"]
