"""Whether the API server of this machine is ready, asked over loopback.

Called by recover, which waits for it, and by doctor. It is asked without credentials: /readyz answers anybody on a kubeadm
cluster, and 401 or 403 tell as well that it lives.
"""

from __future__ import annotations

import http.client
import ssl

DEFAULT_PORT = 6443
ANSWER_SECONDS = 2.0


def readiness(port: int) -> int | None:
    """The status of /readyz on this machine's loopback, None where nothing answers in time."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # whether it lives is the question, not who it is
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=ANSWER_SECONDS, context=context)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
