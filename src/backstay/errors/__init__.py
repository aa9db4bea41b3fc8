"""Every error backstay can raise, declared once: its code, exit status, whose side it is on, and the next step.

Code raises `SOME_KIND.error(what=..., where=..., why=...)`. The command line renders `what / where / why / next step`,
the exit status comes from the kind, and `backstay explain CODE` prints the meaning from this catalogue. A kind is
declared in the module of its part (`files`, `cluster`, `storage`, ...) and reached as `errors.SOME_KIND`. An error code
is stable API; its words may improve. Integrity problems never come back as `False`: they are raised, or they are a
finding.

Commands that keep etcd's exit statuses (`snapshot save|status|restore`, `hashkv`) translate in the command line; the
statuses here are backstay's own (docs/reference/exit-codes.md).
"""

from __future__ import annotations

from backstay.errors.automation import *
from backstay.errors.backups import *
from backstay.errors.cluster import *
from backstay.errors.command_line import *
from backstay.errors.configuration import *
from backstay.errors.files import *
from backstay.errors.kinds import BackstayError as BackstayError
from backstay.errors.kinds import ErrorKind as ErrorKind
from backstay.errors.kinds import ExitStatus as ExitStatus
from backstay.errors.kinds import Side as Side
from backstay.errors.kinds import catalogue as catalogue
from backstay.errors.kubernetes import *
from backstay.errors.recovery import *
from backstay.errors.repository import *
from backstay.errors.server import *
from backstay.errors.storage import *
