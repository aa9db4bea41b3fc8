"""gRPC reflection: what services there are, and the descriptors of their messages, for grpcurl and its like.

    ServerReflectionRequest   1 host  3 file_by_filename  4 file_containing_symbol  7 list_services
    ServerReflectionResponse  1 valid_host  2 original_request  4 {1 descriptors}  6 {1 {1 name}}  7 {1 code  2 message}

etcd has no reflection; a client that asks for it there gets "unknown service". Our messages live in packages of their own
name, so that other clients can be loaded beside ours; what is told here has etcd's names. v1 and v1alpha are the same bytes.
"""

from __future__ import annotations

from functools import lru_cache

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import DecodeError

from backstay.errors import FormatError
from backstay.etcd.pb import auth_pb2, election_pb2, kv_pb2, lock_pb2, rpc_pb2
from backstay.formats import protowire
from backstay.server.http.gateway.paths import ROUTES, Route
from backstay.server.methods import CLIENT_STREAMS, PATHS, STREAMS, Op
from backstay.server.statuses import CODES

OWN_PACKAGE = "backstay."
OWN_DIRECTORY = "backstay/etcd/pb/"
PATH_OF_OLD_CLIENTS = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

_HOST, _FILE, _SYMBOL, _SERVICES = 1, 3, 4, 7
_NOT_FOUND, _UNIMPLEMENTED = CODES["NotFound"], CODES["Unimplemented"]
_HEALTH_FILE, _HEALTH_PACKAGE = "grpc/health/v1/health.proto", "grpc.health.v1"


def answer(request: bytes) -> bytes:
    """The response to one request of a stream. Raises `DecodeError`."""
    try:
        fields = list(protowire.read_fields(request))
    except FormatError as problem:
        raise DecodeError(str(problem)) from problem
    host, asked, subject = b"", 0, b""
    for number, _, content in fields:
        if number == _HOST and isinstance(content, bytes):
            host = content
        elif number > _HOST:
            asked, subject = number, content if isinstance(content, bytes) else b""
    start = protowire.optional_bytes(1, host) + protowire.bytes_field(2, request)
    return start + _answer(asked, subject.decode("utf-8", "replace"))


def _answer(asked: int, subject: str) -> bytes:
    if asked == _SERVICES:
        names = sorted({path.split("/")[1] for op, path in PATHS.items() if op is not Op.REFLECTION})
        listed = b"".join(protowire.bytes_field(1, protowire.bytes_field(1, name.encode())) for name in names)
        return protowire.bytes_field(6, listed)
    if asked == _FILE:
        file = _files().get(subject)
    elif asked == _SYMBOL:
        file = _files().get(_symbols().get(subject, ""))
    else:
        return _failure(_UNIMPLEMENTED, "backstay: there are no extensions to ask about")
    if file is None:
        return _failure(_NOT_FOUND, f"backstay: {subject} is not known")
    return protowire.bytes_field(4, protowire.bytes_field(1, file.SerializeToString()))


def _failure(code: int, message: str) -> bytes:
    return protowire.bytes_field(7, protowire.int_field(1, code) + protowire.bytes_field(2, message.encode()))


@lru_cache(maxsize=1)
def _files() -> dict[str, FileDescriptorProto]:
    """Every file by its name, with the services of its package."""
    files = [_health()]
    for module in (kv_pb2, auth_pb2, rpc_pb2, lock_pb2, election_pb2):
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        _rename(file)
        files.append(file)
    routes = {route.op: route for route in ROUTES.values()}
    routes[Op.RANGE_STREAM] = Route(Op.RANGE_STREAM, rpc_pb2.RangeRequest, rpc_pb2.RangeStreamResponse)
    for op, path in PATHS.items():
        _, service, method = path.split("/")
        package, _, name = service.rpartition(".")
        for file in files:
            if file.package == package:
                if op in routes:
                    route = routes[op]
                    names = route.request.DESCRIPTOR.full_name, route.response.DESCRIPTOR.full_name
                else:
                    names = f"{package}.HealthCheckRequest", f"{package}.HealthCheckResponse"
                _add_method(file, name, method, op, *names)
    return {file.name: file for file in files}


def _rename(file: FileDescriptorProto) -> None:
    """Give a file etcd's names."""
    file.name = file.name.removeprefix(OWN_DIRECTORY)
    file.package = file.package.removeprefix(OWN_PACKAGE)
    for place, dependency in enumerate(file.dependency):
        file.dependency[place] = dependency.removeprefix(OWN_DIRECTORY)
    waiting = list(file.message_type)
    while waiting:
        message = waiting.pop()
        waiting.extend(message.nested_type)
        for field in message.field:
            if field.type_name:
                field.type_name = f".{field.type_name.removeprefix('.').removeprefix(OWN_PACKAGE)}"


def _add_method(file: FileDescriptorProto, service: str, method: str, op: Op, request: str, response: str) -> None:
    found = next((each for each in file.service if each.name == service), None)
    if found is None:
        found = file.service.add(name=service)
    found.method.add(
        name=method,
        input_type=f".{request.removeprefix(OWN_PACKAGE)}",
        output_type=f".{response.removeprefix(OWN_PACKAGE)}",
        client_streaming=op in CLIENT_STREAMS,
        server_streaming=op in STREAMS,
    )


def _health() -> FileDescriptorProto:
    file = FileDescriptorProto(name=_HEALTH_FILE, package=_HEALTH_PACKAGE, syntax="proto3")
    optional = FieldDescriptorProto.LABEL_OPTIONAL
    request = file.message_type.add(name="HealthCheckRequest")
    request.field.add(name="service", number=1, label=optional, type=FieldDescriptorProto.TYPE_STRING)
    response = file.message_type.add(name="HealthCheckResponse")
    statuses = response.enum_type.add(name="ServingStatus")
    for number, name in enumerate(("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")):
        statuses.value.add(name=name, number=number)
    response.field.add(
        name="status",
        number=1,
        label=optional,
        type=FieldDescriptorProto.TYPE_ENUM,
        type_name=f".{_HEALTH_PACKAGE}.HealthCheckResponse.ServingStatus",
    )
    return file


@lru_cache(maxsize=1)
def _symbols() -> dict[str, str]:
    """Every service, method, message and enumeration by its full name: the name of its file."""
    symbols: dict[str, str] = {}
    for file in _files().values():
        waiting = [(file.package, message) for message in file.message_type]
        while waiting:
            prefix, message = waiting.pop()
            name = f"{prefix}.{message.name}"
            symbols[name] = file.name
            symbols |= {f"{name}.{each.name}": file.name for each in message.enum_type}
            waiting += [(name, each) for each in message.nested_type]
        symbols |= {f"{file.package}.{each.name}": file.name for each in file.enum_type}
        for service in file.service:
            symbols[f"{file.package}.{service.name}"] = file.name
            symbols |= {f"{file.package}.{service.name}.{each.name}": file.name for each in service.method}
    return symbols
