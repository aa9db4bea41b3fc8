"""Which resources exist, and below which part of the key each is stored: the built-in ones, and those that CRDs add.

    Resource        stored below            because
    pods            pods                    the rule: the plural, without its group
    nodes           minions                 older than the rule; see `_EXCEPTIONS`
    services        services/specs          two segments, as only `services/...` has
    widgets.shop.x  shop.x/widgets          custom resources, CRDs and APIServices: group/plural

Short names are kubectl's. The version that an object is stored in is never part of a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Resource(NamedTuple):
    """A kind of object, and where its objects are. `stored_below` is the part of the key between prefix and names."""

    group: str
    resource: str
    kind: str
    namespaced: bool
    stored_below: str
    short_names: tuple[str, ...] = ()
    singular: str = ""
    is_custom: bool = False
    is_special: bool = False
    """Stored by the API server for itself, and never served: allocators, leases of the servers."""
    categories: tuple[str, ...] = ()

    @property
    def group_resource(self) -> str:
        """`pods`, `deployments.apps`."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


# group: resource=Kind(short names); `*` marks what has no namespace.
_BUILT_IN = """
core: configmaps=ConfigMap(cm) endpoints=Endpoints(ep) events=Event(ev) limitranges=LimitRange(limits)
core: *namespaces=Namespace(ns) *nodes=Node(no) persistentvolumeclaims=PersistentVolumeClaim(pvc)
core: *persistentvolumes=PersistentVolume(pv) pods=Pod(po) podtemplates=PodTemplate
core: replicationcontrollers=ReplicationController(rc) resourcequotas=ResourceQuota(quota) secrets=Secret
core: serviceaccounts=ServiceAccount(sa) services=Service(svc)
apps: controllerrevisions=ControllerRevision daemonsets=DaemonSet(ds) deployments=Deployment(deploy)
apps: replicasets=ReplicaSet(rs) statefulsets=StatefulSet(sts)
autoscaling: horizontalpodautoscalers=HorizontalPodAutoscaler(hpa)
batch: cronjobs=CronJob(cj) jobs=Job
certificates.k8s.io: *certificatesigningrequests=CertificateSigningRequest(csr)
certificates.k8s.io: *clustertrustbundles=ClusterTrustBundle podcertificaterequests=PodCertificateRequest
coordination.k8s.io: leases=Lease leasecandidates=LeaseCandidate
discovery.k8s.io: endpointslices=EndpointSlice
networking.k8s.io: ingresses=Ingress(ing) networkpolicies=NetworkPolicy(netpol) *ingressclasses=IngressClass
networking.k8s.io: *ipaddresses=IPAddress(ip) *servicecidrs=ServiceCIDR *clustercidrs=ClusterCIDR(cc)
policy: poddisruptionbudgets=PodDisruptionBudget(pdb) *podsecuritypolicies=PodSecurityPolicy(psp)
rbac.authorization.k8s.io: roles=Role rolebindings=RoleBinding *clusterroles=ClusterRole
rbac.authorization.k8s.io: *clusterrolebindings=ClusterRoleBinding
storage.k8s.io: *csidrivers=CSIDriver *csinodes=CSINode *storageclasses=StorageClass(sc)
storage.k8s.io: *volumeattachments=VolumeAttachment *volumeattributesclasses=VolumeAttributesClass(vac)
storage.k8s.io: csistoragecapacities=CSIStorageCapacity
scheduling.k8s.io: *priorityclasses=PriorityClass(pc) workloads=Workload podgroups=PodGroup
scheduling.k8s.io: compositepodgroups=CompositePodGroup
lifecycle.k8s.io: evictions=Eviction evictionrequests=EvictionRequest
node.k8s.io: *runtimeclasses=RuntimeClass
flowcontrol.apiserver.k8s.io: *flowschemas=FlowSchema *prioritylevelconfigurations=PriorityLevelConfiguration
admissionregistration.k8s.io: *mutatingwebhookconfigurations=MutatingWebhookConfiguration
admissionregistration.k8s.io: *validatingwebhookconfigurations=ValidatingWebhookConfiguration
admissionregistration.k8s.io: *validatingadmissionpolicies=ValidatingAdmissionPolicy
admissionregistration.k8s.io: *validatingadmissionpolicybindings=ValidatingAdmissionPolicyBinding
admissionregistration.k8s.io: *mutatingadmissionpolicies=MutatingAdmissionPolicy
admissionregistration.k8s.io: *mutatingadmissionpolicybindings=MutatingAdmissionPolicyBinding
resource.k8s.io: resourceclaims=ResourceClaim resourceclaimtemplates=ResourceClaimTemplate *deviceclasses=DeviceClass
resource.k8s.io: *resourceslices=ResourceSlice *devicetaintrules=DeviceTaintRule
resource.k8s.io: *resourcepoolstatusrequests=ResourcePoolStatusRequest podschedulingcontexts=PodSchedulingContext
resource.k8s.io: *resourceclasses=ResourceClass resourceclaimparameters=ResourceClaimParameters
resource.k8s.io: resourceclassparameters=ResourceClassParameters
storagemigration.k8s.io: *storageversionmigrations=StorageVersionMigration
internal.apiserver.k8s.io: *storageversions=StorageVersion
apiregistration.k8s.io: *apiservices=APIService
apiextensions.k8s.io: *customresourcedefinitions=CustomResourceDefinition(crd,crds)
settings.k8s.io: podpresets=PodPreset
auditregistration.k8s.io: *auditsinks=AuditSink
"""

_EXCEPTIONS = {
    "endpoints": "services/endpoints",
    "services": "services/specs",
    "nodes": "minions",
    "replicationcontrollers": "controllers",
    "ingresses": "ingress",
    "podsecuritypolicies": "podsecuritypolicy",
    "apiservices": "apiregistration.k8s.io/apiservices",
    "customresourcedefinitions": "apiextensions.k8s.io/customresourcedefinitions",
}

_SPECIAL = (
    Resource("", "ranges", "RangeAllocation", False, "ranges", is_special=True),
    Resource("", "masterleases", "Endpoints", False, "masterleases", is_special=True),
    Resource("", "peerserverleases", "Endpoints", False, "peerserverleases", is_special=True),
)

_IN_ALL = frozenset(
    (
        "pods", "replicationcontrollers", "services", "daemonsets", "deployments", "replicasets", "statefulsets",
        "horizontalpodautoscalers", "cronjobs", "jobs",
    )
)  # fmt: skip
"""What `kubectl get all` means among the built-in ones."""


def _read_built_in() -> Iterator[Resource]:
    for line in _BUILT_IN.split("\n"):
        group, colon, words = line.partition(": ")
        for word in words.split() if colon else ():
            plural, _, rest = word.partition("=")
            kind, _, short = rest.rstrip(")").partition("(")
            plural, namespaced = plural.lstrip("*"), not plural.startswith("*")
            categories = ("all",) if plural in _IN_ALL else ()
            yield Resource(
                "" if group == "core" else group,
                plural,
                kind,
                namespaced,
                _EXCEPTIONS.get(plural, plural),
                tuple(short.split(",")) if short else (),
                kind.lower(),
                categories=categories,
            )


BUILT_IN: tuple[Resource, ...] = (*_read_built_in(), *_SPECIAL)


class Resources:
    """All resources of a cluster: the built-in ones and its own, in the order in which they were named."""

    def __init__(self, custom: Iterable[Resource] = ()) -> None:
        self._all = (*BUILT_IN, *custom)
        self._by_place: dict[str, Resource] = {}
        self._by_name: dict[str, Resource] = {}
        for each in self._all:
            self._by_place.setdefault(each.stored_below, each)  # what is built in cannot be taken over by a CRD
            for name in (each.resource, each.singular, each.kind.lower(), *each.short_names):
                self._by_name.setdefault(f"{name}.{each.group}", each)
                if not each.is_special:
                    self._by_name.setdefault(name, each)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._all)

    def find(self, text: str) -> Resource | None:
        """What a person means by `deploy`, `Deployment`, `deployments.apps` or `deployments.v1.apps`; None if nothing."""
        # Both groups of events are served from one place.
        wanted = text.lower().removesuffix(".events.k8s.io")
        found = self._by_name.get(wanted)
        if found is None and wanted.count(".") > 1:
            plural, _, group = wanted.split(".", 2)
            found = self._by_name.get(f"{plural}.{group}")
        return found

    def stored_at(self, place: str) -> Resource | None:
        """The resource whose objects are stored below `place` (`pods`, `services/specs`, `shop.example.com/orders`)."""
        return self._by_place.get(place)

    def of_kind(self, group: str, kind: str) -> Resource | None:
        """The resource of a kind in a group, whichever version it has; None if there is none."""
        found = self._by_name.get(f"{kind.lower()}.{group}")
        return found if found is not None and found.kind == kind else None

    def in_category(self, name: str) -> tuple[Resource, ...]:
        """The members of a category such as `all`, in order."""
        return tuple(each for each in self._all if name in each.categories)

    @property
    def custom(self) -> tuple[Resource, ...]:
        """Those that CRDs add."""
        return tuple(each for each in self._all if each.is_custom)
