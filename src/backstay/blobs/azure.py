"""A blob store in a container of Azure Blob Storage, or of its emulator Azurite, through obstore (see `objects`).

Who asks is found in this order: a connection string; an account key; a shared access signature; a service principal's
secret; the federated token of a pod (workload identity); and with none of these the machine's managed identity. The
variables are those of Azure's own command line and SDKs:

    AZURE_STORAGE_CONNECTION_STRING
    AZURE_STORAGE_ACCOUNT (or AZURE_STORAGE_ACCOUNT_NAME, or ?account= of the location)
    AZURE_STORAGE_KEY (or AZURE_STORAGE_ACCOUNT_KEY), AZURE_STORAGE_SAS_TOKEN
    AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, AZURE_FEDERATED_TOKEN_FILE, AZURE_AUTHORITY_HOST

The parts of an upload that broke off are thrown away by Azure itself, after a week.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from obstore.store import AzureStore

from backstay import errors
from backstay.blobs.contract import Answer
from backstay.blobs.endpoint import first_of, invalid, is_plain_http
from backstay.blobs.objects import PART_ATTEMPTS, ObjectBlobStore, Service, client_options, patience

if TYPE_CHECKING:
    from obstore.store import AzureConfig

AZURE = Service(
    container="container",
    container_absent=frozenset({"ContainerNotFound"}),
    blob_absent=frozenset({"BlobNotFound", "ResourceNotFound"}),
    # The last is for a signature that may create and not overwrite.
    taken=frozenset({"BlobAlreadyExists", "UnauthorizedBlobOverwrite"}),
    denied=frozenset(
        {
            "AccountIsDisabled",
            "AuthenticationFailed",
            "AuthorizationFailure",
            "AuthorizationPermissionMismatch",
            "AuthorizationProtocolMismatch",
            "AuthorizationSourceIPMismatch",
            "BlobImmutableDueToPolicy",
            "InsufficientAccountPermissions",
            "InvalidAuthenticationInfo",
            "KeyBasedAuthenticationNotPermitted",
            "NoAuthenticationInformation",
            "PublicAccessNotPermitted",
        }
    ),
    busy=frozenset({"ServerBusy", "InternalError", "OperationTimedOut", "ContainerBeingDeleted"}),
    full=frozenset({"RequestBodyTooLarge", "BlockCountExceedsLimit"}),
)


@dataclass(frozen=True, slots=True)
class AzureOptions:
    """Where the container is and who asks; `repr` shows no secret."""

    account: str
    container: str
    prefix: str = ""
    endpoint: str = ""  # of the whole account, for emulators and sovereign clouds; empty: Azure
    account_key: str = field(default="", repr=False)
    signature: str = field(default="", repr=False)  # a shared access signature, percent-encoded
    tenant: str = ""
    client: str = ""
    client_secret: str = field(default="", repr=False)
    token_file: str = ""
    authority_host: str = ""
    allow_http: bool = False


class AzureBlobStore(ObjectBlobStore):
    """Objects below a prefix of one container."""

    def __init__(self, options: AzureOptions) -> None:
        at = f" at {options.endpoint}" if options.endpoint else f" of account {options.account}"
        super().__init__(
            AZURE,
            _container(options, retries=0),
            _container(options, retries=PART_ATTEMPTS),
            name=options.container,
            prefix=options.prefix,
            location=f"az://{options.container}/{options.prefix}{at}",
            synced=Answer.UNKNOWN if options.endpoint else Answer.YES,
        )


def azure_options(
    container: str, prefix: str, parameters: Mapping[str, str], environment: Mapping[str, str]
) -> AzureOptions:
    """What a location and an environment say; raises `LOCATION_INVALID`, and `STORAGE_DENIED` for unusable secrets."""
    connection = _connection(environment.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    account = (
        parameters.get("account")
        or connection.get("AccountName")
        or first_of(environment, "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME")
    )
    if not account:
        raise invalid("the account is missing: `az://container/prefix?account=NAME`, or AZURE_STORAGE_ACCOUNT")
    if account != connection.get("AccountName", account):
        raise invalid("its account is not the one of AZURE_STORAGE_CONNECTION_STRING")
    endpoint = parameters.get("endpoint") or connection.get("BlobEndpoint") or ""
    if not endpoint and (suffix := connection.get("EndpointSuffix")) not in (None, "core.windows.net"):
        endpoint = f"https://{account}.blob.{suffix}"
    allow_http = is_plain_http(endpoint, parameters)
    key = connection.get("AccountKey") or first_of(environment, "AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY")
    try:
        b64decode(key, validate=True)
    except (binascii.Error, ValueError) as problem:
        why = "an account key is Base64"
        raise errors.STORAGE_DENIED.error(
            "the account key cannot be used", where=f"az://{container}", why=why
        ) from problem
    signature = connection.get("SharedAccessSignature") or environment.get("AZURE_STORAGE_SAS_TOKEN", "")
    return AzureOptions(
        account=account,
        container=container,
        prefix=prefix,
        endpoint=endpoint.rstrip("/"),
        account_key=key,
        signature=signature.lstrip("?"),
        tenant=environment.get("AZURE_TENANT_ID", ""),
        client=environment.get("AZURE_CLIENT_ID", ""),
        client_secret=environment.get("AZURE_CLIENT_SECRET", ""),
        token_file=environment.get("AZURE_FEDERATED_TOKEN_FILE", ""),
        authority_host=environment.get("AZURE_AUTHORITY_HOST", ""),
        allow_http=allow_http,
    )


def _connection(text: str) -> dict[str, str]:
    """The parts of a connection string, `Name=value;...`; values may hold `=`."""
    parts = [part.partition("=") for part in text.strip().strip(";").split(";") if part.strip()]
    if any(not equals for _, equals, _ in parts):
        raise invalid("AZURE_STORAGE_CONNECTION_STRING is not of the form `Name=value;...`")
    return {name.strip(): value.strip() for name, _, value in parts}


def _container(options: AzureOptions, *, retries: int) -> AzureStore:
    # Said too: what variables of the process would otherwise decide.
    config: AzureConfig = {
        "account_name": options.account,
        "use_emulator": False,
        "use_fabric_endpoint": False,
        "skip_signature": False,
        "disable_tagging": True,
        "endpoint": options.endpoint or f"https://{options.account}.blob.core.windows.net",
    }
    if options.account_key:
        config |= {"credential_type": "access_key", "account_key": options.account_key}
    elif options.signature:
        config |= {"credential_type": "sas_token", "sas_key": options.signature}
    else:
        if options.client:
            config["client_id"] = options.client
        if options.tenant:
            config["tenant_id"] = options.tenant
        if options.authority_host:
            config["authority_host"] = options.authority_host
        if options.client_secret:
            config |= {"credential_type": "client_secret", "client_secret": options.client_secret}
        elif options.token_file:
            config |= {"credential_type": "workload_identity", "federated_token_file": options.token_file}
        else:
            config["credential_type"] = "managed_identity"
    client = client_options(allow_http=options.allow_http)
    return AzureStore(options.container, config=config, client_options=client, retry_config=patience(retries))
