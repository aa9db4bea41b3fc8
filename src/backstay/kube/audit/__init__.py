"""What is wrong with what a cluster has stored, though it may work: found in the objects themselves, nothing is running for it.

    audit = Audit(Terms(...))
    for each in objects: audit.see(each)          every object at the newest revision
    for ... in records:  audit.see_past(...)      every older revision: what was deleted is still in the file
    audit.findings()

Every module judges one thing and declares its findings. Terms say what to judge by: the configuration of encryption, the
release that shall read the data, the time. Nothing here reads a store.
"""

from backstay.kube.audit.audit import Audit, Terms
from backstay.kube.audit.remedy import Remedy, encryption_remedy

__all__ = ["Audit", "Remedy", "Terms", "encryption_remedy"]
