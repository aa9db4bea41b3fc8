"""Makes src/backstay/kube/schema/messages.txt, the table of Kubernetes' types, from what Kubernetes publishes.

    python -m tools.kubernetes_table --modules DIR           DIR/k8s.io/api@v0.37.2 and so on, as Go's module cache is
    python -m tools.kubernetes_table --fields FILE           facts that somebody gathered already, as JSON
    python -m tools.kubernetes_table --modules DIR --check   say whether the shipped table still agrees, write nothing

`go mod download k8s.io/api@v0.37.2` and the same of apimachinery, apiextensions-apiserver and kube-aggregator, for one
patch release of every minor release that should be covered, fill the module cache (`go env GOMODCACHE`).
"""
