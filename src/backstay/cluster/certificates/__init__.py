"""The certificates of an etcd, in the layout that kubeadm made common: one authority, and what it has issued.

layout    which files there are, for whom, for what
plan      what is there already, what will be made, and the refusal of what does not fit together
issuing   keys and certificates, in memory
writing   the files, keys first, nothing replaced

Called by `backstay pki`, and by clusters on this machine. Renewal is moving a pair aside and planning again.
"""

from backstay.cluster.certificates.issuing import Algorithm
from backstay.cluster.certificates.layout import AUTHORITY, KINDS, CertificateKind, TlsFiles, files_for
from backstay.cluster.certificates.plan import Action, PkiPlan, PkiWish, PlannedCertificate, make_plan
from backstay.cluster.certificates.writing import write_certificates

__all__ = [
    "AUTHORITY",
    "KINDS",
    "Action",
    "Algorithm",
    "CertificateKind",
    "PkiPlan",
    "PkiWish",
    "PlannedCertificate",
    "TlsFiles",
    "files_for",
    "make_plan",
    "write_certificates",
]
