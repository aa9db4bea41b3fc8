"""Errors about Kubernetes objects in etcd and their encryption at rest."""

from __future__ import annotations

from backstay.errors.kinds import ExitStatus, Side, declare

ENCRYPTION_CONFIG_INVALID = declare(
    "encryption-config-invalid",
    ExitStatus.USAGE,
    Side.YOU,
    "The EncryptionConfiguration or the keys for KMS cannot be used: the API server would refuse the file too.",
    "give the file that the API server has as --encryption-provider-config",
)
KMS_PLUGIN_FAILED = declare(
    "kms-plugin-failed",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The key-management plugin did not unwrap a key: nobody listens at its socket, or it refused.",
    "run this where the plugin runs, name its socket with --kms-socket, or give unwrapped keys with --kms-keys",
)
KMS_KEY_MISSING = declare(
    "kms-key-missing",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "No key at hand unwraps the key that a value of KMS was encrypted with.",
    "name the plugin's socket with --kms-socket, or give the key with --kms-keys",
)
OBJECT_NOT_FOUND = declare(
    "object-not-found",
    ExitStatus.ERROR,
    Side.YOU,
    "There is no such Kubernetes object at that revision.",
    "list what is there with `backstay kube get SOURCE KIND -A`",
)
OBJECT_UNREADABLE = declare(
    "object-unreadable",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "The object is there, and its value cannot be decoded: it is encrypted at rest, damaged, or no object of Kubernetes.",
    "give the API server's --encryption-config; `backstay get SOURCE KEY` shows the bytes",
)
RESOURCE_UNKNOWN = declare(
    "resource-unknown",
    ExitStatus.USAGE,
    Side.YOU,
    "The cluster has no resource of that name: it is neither built in, nor does a CustomResourceDefinition name it.",
    "write it as kubectl does: pods, deploy, deployments.apps; `backstay kube tree SOURCE` shows what is there",
)
