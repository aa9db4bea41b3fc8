"""The tables of what is reached over the network: Services, Endpoints, Ingresses, policies, addresses."""

from __future__ import annotations

from backstay.kube.printing.columns import (
    AGE,
    NAME,
    NONE,
    Column,
    Context,
    at,
    first_few,
    items,
    labels_text,
    number,
    part,
    selector_or_none,
    text,
    words,
)
from backstay.kube.values import JsonObject

_MOST = 3


def _balancer(item: JsonObject) -> str:
    """The addresses of the load balancer, sorted."""
    ingress = items(item, "status", "loadBalancer", "ingress")
    return ",".join(sorted({text(each, "ip") or text(each, "hostname") for each in ingress} - {""}))


def _cluster_address(service: JsonObject, _: Context) -> str:
    addresses = words(service, "spec", "clusterIPs")
    return addresses[0] if addresses else NONE


def _external_address(service: JsonObject, _: Context) -> str:
    kind, external = text(service, "spec", "type"), words(service, "spec", "externalIPs")
    if kind in ("ClusterIP", "NodePort"):
        return ",".join(external) or NONE
    if kind == "LoadBalancer":
        balancer = _balancer(service)
        return ",".join([balancer, *external] if balancer else external) or "<pending>"
    return text(service, "spec", "externalName") if kind == "ExternalName" else "<unknown>"


def _ports(service: JsonObject, _: Context) -> str:
    pieces = []
    for each in items(service, "spec", "ports"):
        node_port = number(each, "nodePort")
        middle = f":{node_port}" if node_port > 0 else ""
        pieces.append(f"{number(each, 'port')}{middle}/{text(each, 'protocol')}")
    return ",".join(pieces) or NONE


SERVICE = (
    NAME,
    Column("Type", at("spec", "type")),
    Column("Cluster-IP", _cluster_address),
    Column("External-IP", _external_address),
    Column("Port(s)", _ports),
    AGE,
    Column("Selector", lambda item, _: labels_text(part(item, "spec", "selector")), wide=True),
)


def _host_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address or "%" in address else f"{address}:{port}"


def _endpoints(item: JsonObject, _: Context) -> str:
    subsets = items(item, "subsets")
    if not subsets:
        return NONE
    every = []
    for subset in subsets:
        addresses = [text(each, "ip") for each in items(subset, "addresses")]
        ports = items(subset, "ports")
        if ports:
            every += [_host_port(address, number(port, "port")) for port in ports for address in addresses]
        else:
            every += addresses
    shown = ",".join(every[:_MOST])
    return f"{shown} + {len(every) - _MOST} more..." if len(every) > _MOST else shown


ENDPOINTS = (NAME, Column("Endpoints", _endpoints), AGE)


def _slice_ports(item: JsonObject, _: Context) -> str:
    def shown(port: JsonObject) -> str:
        if port.get("port") is not None:
            return str(port["port"])
        return str(port["name"]) if port.get("name") is not None else "*"

    return first_few(shown(each) for each in items(item, "ports"))


def _slice_endpoints(item: JsonObject, _: Context) -> str:
    return first_few(address for each in items(item, "endpoints") for address in words(each, "addresses"))


ENDPOINT_SLICE = (
    NAME,
    Column("AddressType", at("addressType")),
    Column("Ports", _slice_ports),
    Column("Endpoints", _slice_endpoints),
    AGE,
)


def _class(item: JsonObject, _: Context) -> str:
    name = part(item, "spec", "ingressClassName")
    return NONE if name is None else str(name)


def _hosts(item: JsonObject, _: Context) -> str:
    shown: list[str] = []
    rules = items(item, "spec", "rules")
    has_more = False
    for rule in rules:
        has_more = has_more or len(shown) == _MOST
        if not has_more and text(rule, "host"):
            shown.append(text(rule, "host"))
    if not shown:
        return "*"
    return ",".join(shown) + (f" + {len(rules) - _MOST} more..." if has_more else "")


INGRESS = (
    NAME,
    Column("Class", _class),
    Column("Hosts", _hosts),
    Column("Address", lambda item, _: _balancer(item)),
    Column("Ports", lambda item, _: "80, 443" if items(item, "spec", "tls") else "80"),
    AGE,
)
DEFAULT_INGRESS_CLASS = "ingressclass.kubernetes.io/is-default-class"


def _class_name(item: JsonObject, _: Context) -> str:
    is_default = text(item, "metadata", "annotations", DEFAULT_INGRESS_CLASS) == "true"
    return text(item, "metadata", "name") + (" (default)" if is_default else "")


def _parameters(item: JsonObject, _: Context) -> str:
    parameters = part(item, "spec", "parameters")
    if not isinstance(parameters, dict):
        return NONE
    group = parameters.get("apiGroup")
    return f"{text(parameters, 'kind')}{'' if group is None else f'.{group}'}/{text(parameters, 'name')}"


INGRESS_CLASS = (
    Column("Name", _class_name, is_name=True),
    Column("Controller", at("spec", "controller")),
    Column("Parameters", _parameters),
    AGE,
)
NETWORK_POLICY = (
    NAME,
    Column("Pod-Selector", lambda item, _: selector_or_none(part(item, "spec", "podSelector"))),
    AGE,
)


def _parent(item: JsonObject, _: Context) -> str:
    reference = part(item, "spec", "parentRef")
    if not isinstance(reference, dict):
        return NONE
    group, namespace = text(reference, "group"), text(reference, "namespace")
    resource = f"{text(reference, 'resource')}{f'.{group}' if group else ''}".lower()
    return "/".join(each for each in (resource, namespace) if each) + f"/{text(reference, 'name')}"


# The API server's own table names two columns and fills three; the third is not shown.
IP_ADDRESS = (NAME, Column("ParentRef", _parent))
SERVICE_CIDR = (NAME, Column("CIDRs", lambda item, _: ",".join(words(item, "spec", "cidrs"))), AGE)
