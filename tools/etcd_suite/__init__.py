"""etcd's own end-to-end tests against `backstay serve`: `make etcd-suite`, or `python -m tools.etcd_suite --help`.

The Go module `go.etcd.io/etcd/tests/v3` is compiled as it is published (`building`). Its framework starts a program
called `etcd`; ours (`shim`) hands the start of a one-member store to `backstay serve` and everything else to the real
etcd. Each test runs once with the real etcd alone and once so (`running`), and `table` writes what both columns say into
docs/compatibility.md. Nothing here knows how a test works, and no test is changed: `one-member` only makes the
suite's default of three members one.
"""
