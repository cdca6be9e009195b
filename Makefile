# Everything a person needs: `make demo`, `make test`. The rest is for those who work here.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
HELM_VERSION := v3.19.0
KUBECTL_VERSION := v0.29.15
LIBRARIES_VERSION := v0.36.0
JAEGER_VERSION := v1.76.0
# Where the program is kept, or found.
JAEGER_FOLDER ?= $(CURDIR)/build/tools
# Where rustup puts cargo, and Go's archive go, for shells that have not read its settings.
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/local/go/bin
# Some machines set it, as containers do: then each of the hundreds of processes of a run compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup packages demo test nightly mesh-matrix reliability test-transcripts test-kubernetes packages-kubernetes test-kernel fresh images images-test packages-images packages-bench check format bench instructions golden docs charts wire-fields go-fields enumerations compat-recordings test-charts test-tools test-jaeger clean

help:
	@echo "make demo    set up and replay the DJ walkthrough (ARGS=--once: end afterwards)"
	@echo "make test    set up and run every test"
	@echo "make nightly the tests with generated input, at length, and those of whole clusters in every mode: hours"
	@echo "make mesh-matrix  which requests a mesh loses while pods come and go: more than an hour (ARGS=\"http exits\": these)"
	@echo "make reliability  an embedded cluster whose processes are killed and stopped, 200 times (ARGS=\"--kills 60 --as rootless\", or single-uid)"
	@echo "                  or one in which objects come and go for an hour, and nothing may grow (ARGS=\"--churn 3600\")"
	@echo "make test-kubernetes  the walkthrough and the gateway's life on a real Kubernetes, here or on yours (ARGS=--help)"
	@echo "make test-kernel  limits and first manifests on Debian's kernel, in a virtual machine, as root (ARGS=tests/local/e2e: these)"
	@echo "make fresh   both of them on a Debian that has only git and make (ARGS=\"--as user --only demo\")"
	@echo "make test-transcripts  recordings of a real Kubernetes on a whole embedded cluster, as root (ARGS=17-rollout: these)"
	@echo "make images  container images as OCI archives in build/images, without a daemon (ARGS=\"--arch arm64\")"
	@echo "make images-test  build and run them, as root"
	@echo "make check   format, lint, types, layers, clippy"
	@echo "make bench   CPU of requests beside Envoy, nginx, HAProxy and Traefik: ten minutes (ARGS=\"--quick\", ARGS=\"--only plain,limit\")"
	@echo "make instructions  has the policy module come to need more of them for the same requests? (valgrind)"
	@echo "make golden  rewrite the expected translations"
	@echo "make charts  rewrite charts/ from crossfade.install"
	@echo "make wire-fields  rewrite the table of Kubernetes' protobuf fields (needs Go, to fetch its modules)"
	@echo "make go-fields    rewrite the table of what Kubernetes' Go types do that schemas leave out (needs Go)"
	@echo "make test-charts  the charts with a real Helm (needs Go, to build it)"
	@echo "make test-tools  kubectl 1.29 and cert-manager's own chart on an embedded cluster (needs Go, to build them)"
	@echo "make enumerations  rewrite the table of values that fields may have, for kubectl explain (needs Go, to fetch its modules)"
	@echo "make compat-recordings  ask Kubernetes' own libraries anew what patches, expressions and rules come to (needs Go, to build them)"
	@echo "make test-jaeger  traces in a real Jaeger (needs Go, to build it: half an hour, once; JAEGER_FOLDER=/where/it/is/kept)"
	@echo "make docs    rewrite docs/reference"

setup: $(VENV)/.ready
	@$(BIN)/python -m generate

$(VENV)/.ready: pyproject.toml constraints.txt packages.txt packages-rust.txt packages.sh
	@$(MAKE) --no-print-directory packages
	@echo "setup: virtual environment" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . --group dev
	@touch $@

packages:
	@./packages.sh

demo: setup
	@$(BIN)/crossfade demo $(ARGS)

test: setup
	@$(BIN)/pytest -n 2 --dist loadfile $(ARGS)
	@cargo test --quiet --locked

nightly: setup
	@$(BIN)/pytest -n 2 --timeout 36000 --hypothesis-profile nightly tests/translation tests/local/unit/apiserver_models \
		tests/local/protocol/apiserver/test_hostile_requests.py tests/local/compat/test_validation.py
	@$(BIN)/pytest -n 2 --dist loadfile --every-mode tests/local/e2e
	@PROPTEST_CASES=1000000 cargo test --quiet --release --locked

test-transcripts: setup
	@$(BIN)/python -m tests.local.compat.whole_cluster $(ARGS)

mesh-matrix: setup
	@$(BIN)/python -m benchmarks.lost_requests $(ARGS)

reliability: setup
	@$(BIN)/python -m tests.local.reliability $(ARGS)

# Another cluster (--kubeconfig) needs no packages.
test-kubernetes: setup $(if $(findstring --kubeconfig,$(ARGS)),,packages-kubernetes)
	@$(BIN)/python -m tests.kubernetes $(ARGS)

packages-kubernetes:
	@./packages.sh packages-kubernetes.txt

test-kernel: setup
	@./packages.sh packages-kernel.txt
	@tests/kernel/run.sh $(ARGS)

fresh:
	@command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq debootstrap >/dev/null; }
	@tests/fresh/run.sh $(ARGS)

images: $(VENV)/.ready packages-images
	@$(BIN)/python -m images $(ARGS)

images-test: setup images
	@CROSSFADE_IMAGES=build/images unshare --net --mount bash -c 'ip link set lo up && ip address add 192.0.2.1 dev lo && exec "$$@"' - \
		$(BIN)/pytest -p no:cacheprovider tests/images

packages-images:
	@./packages.sh packages-images.txt

check: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@cargo fmt --check
	@cargo clippy --quiet --locked --all-targets -- -D warnings

format: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@cargo fmt

golden: setup
	@$(BIN)/pytest tests/translation --update-golden

charts: setup
	@$(BIN)/python -m generate.charts

wire-fields: setup
	@$(BIN)/python -m generate.wire_fields

go-fields: setup
	@$(BIN)/python -m generate.go_fields

enumerations: setup
	@$(BIN)/python -m generate.enumerations

# Helm is built once; Go is needed for that.
build/tools/helm:
	@echo "test-charts: building Helm" >&2
	@GOBIN=$(CURDIR)/build/tools GOFLAGS=-mod=mod nice -n 19 go install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)

test-charts: setup build/tools/helm
	@$(BIN)/pytest tests/charts $(ARGS)

# Its own command is in a module that `go install` refuses; the rest of it is one for others.
build/tools/kubectl-1.29: tests/tools/program/main.go
	@echo "test-tools: building kubectl 1.29" >&2
	@mkdir -p $(CURDIR)/build/kubectl $(CURDIR)/build/tools && cp $< $(CURDIR)/build/kubectl/
	@cd $(CURDIR)/build/kubectl && { [ -f go.mod ] || go mod init crossfade.dev/kubectl; } && \
		nice -n 19 go get $(foreach module,kubectl component-base client-go,k8s.io/$(module)@$(KUBECTL_VERSION)) && \
		nice -n 19 go mod tidy && nice -n 19 go build -ldflags "$(foreach at,client-go/pkg component-base,-X k8s.io/$(at)/version.gitVersion=$(subst v0,v1,$(KUBECTL_VERSION)))" \
		-o $(CURDIR)/$@ .

# The libraries of the Kubernetes whose recordings are kept.
build/tools/libraries: $(wildcard tests/local/compat/libraries/*.go)
	@echo "compat-recordings: building Kubernetes' libraries" >&2
	@mkdir -p $(CURDIR)/build/libraries $(CURDIR)/build/tools && cp $^ $(CURDIR)/build/libraries/
	@cd $(CURDIR)/build/libraries && { [ -f go.mod ] || go mod init crossfade.dev/libraries; } && \
		nice -n 19 go get k8s.io/api@$(LIBRARIES_VERSION) k8s.io/apiserver@$(LIBRARIES_VERSION) \
			k8s.io/apiextensions-apiserver@$(LIBRARIES_VERSION) k8s.io/client-go@$(LIBRARIES_VERSION) && \
		nice -n 19 go mod tidy && nice -n 19 go build -o $(CURDIR)/$@ .

compat-recordings: setup build/tools/libraries
	@$(BIN)/python -m tests.local.compat.libraries build/tools/libraries

test-tools: setup build/tools/kubectl-1.29 build/tools/helm
	@$(BIN)/pytest --timeout 3600 tests/tools $(ARGS)

# Jaeger is built once, in a module of its own: its replaced packages keep `go install` from it.
$(JAEGER_FOLDER)/jaeger:
	@echo "test-jaeger: building Jaeger" >&2
	@mkdir -p $(CURDIR)/build/jaeger $(JAEGER_FOLDER)
	@cd $(CURDIR)/build/jaeger && { [ -f go.mod ] || go mod init crossfade.dev/jaeger; } && \
		nice -n 19 go get -tool github.com/jaegertracing/jaeger/cmd/jaeger@$(JAEGER_VERSION) && \
		nice -n 19 go build -o $(JAEGER_FOLDER)/jaeger github.com/jaegertracing/jaeger/cmd/jaeger

test-jaeger: setup $(JAEGER_FOLDER)/jaeger
	@JAEGER_FOLDER=$(JAEGER_FOLDER) $(BIN)/pytest tests/jaeger $(ARGS)

docs: setup
	@$(BIN)/python -m generate.reference

instructions: setup
	@$(BIN)/python -m benchmarks.instructions $(ARGS)

bench: setup packages-bench
	@$(BIN)/python -m benchmarks.compare $(ARGS)

packages-bench:
	@./packages.sh packages-bench.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --group bench

clean:
	rm -rf $(VENV) build target src/*/_generated
