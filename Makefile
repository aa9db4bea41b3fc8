# Everything a person or a machine runs here. Each target does its own set-up; a second run starts at once.
# PYTHON=... chooses the interpreter (3.11 or newer), PYTEST_ARGS=... goes to pytest as it is.

NEW_ENOUGH := import sys; raise SystemExit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
	"$$python" -c '$(NEW_ENOUGH)' 2>/dev/null && echo "$$python" && exit; done; echo python3.11)
RUN := .venv/bin/python
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help environment demo test test-kubernetes image etcd-suite peers peers-kubernetes lint format soak bench dist lock clean

help: ## say what there is
	@echo "backstay: make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' Makefile | expand -t 20

environment: ## the virtual environment .venv with the locked dependencies
	@$(PYTHON) tools/setup_environment.py

demo: environment ## an evening with a broken etcd, and a night of backups, on this machine's loopback
	@$(RUN) -m tools.peers.install newest versitygw
	@$(RUN) -m tools.demo
	@$(RUN) -m tools.demo_backups

test: peers ## lint, then all tests (PYTEST_ARGS='-k name' chooses)
	@$(RUN) -m tools.run_tests test -- $(PYTEST_ARGS)

peers: environment ## real etcd releases for the tests, into a cache outside the tree
	@$(RUN) -m tools.peers.install

etcd-suite: peers ## etcd's own end-to-end tests with the real etcd and with backstay serve, into docs/compatibility.md
	@$(RUN) -m tools.etcd_suite --write

peers-kubernetes: environment ## Kubernetes' API server, controllers and kubectl from Go modules, into the same cache (seven minutes, once)
	@$(RUN) -m tools.peers.install kubernetes

test-kubernetes: peers peers-kubernetes ## recover under a real kube-apiserver; Kubernetes on backstay serve
	@BACKSTAY_KUBERNETES=1 $(RUN) -m pytest tests/kubernetes -m kubernetes -s $(PYTEST_ARGS)

lint: environment ## everything that reads the code without running it
	@$(RUN) -m tools.run_tests lint

format: environment ## let ruff put the code into its form
	@.venv/bin/ruff check --quiet --fix-only .
	@.venv/bin/ruff format .

soak: peers ## the long tests: minutes to hours
	@BACKSTAY_SOAK=1 $(RUN) -m pytest tests -m soak --timeout=0 $(PYTEST_ARGS)

bench: peers ## measure, side by side with etcd's own tools
	@$(RUN) -m bench
	@$(RUN) -m bench.server
	@$(RUN) -m bench.repository

image: environment ## an OCI image layout in build/image, without a container engine (IMAGE_ARGS='--root DIR': only the files)
	@$(RUN) -m tools.image $(IMAGE_ARGS)

dist: environment ## wheel and sdist into dist/, proven by an installation
	@$(RUN) -m tools.build_distribution

lock: environment ## requirements/*.lock from pyproject.toml
	@$(RUN) -m tools.lock_dependencies

clean: ## remove what make has made here (the cache of peers stays)
	@rm -rf .venv .venv-3.* .venv*.lock dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
