# `make help` lists what there is. Everything it installs stays in .dev/ (except Debian packages, see hack/services.sh).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO ?= go
PKG ?= ./...
GOLANGCI_VERSION := 2.15.0
EVENTING_RABBITMQ_VERSION := 0.48.0
BROKER := .dev/bin/eventing-rabbitmq-$(EVENTING_RABBITMQ_VERSION)
GOLANGCI := .dev/bin/golangci-lint-$(GOLANGCI_VERSION)
FUZZTIME ?= 10s
BENCH ?= .
BENCHTIME ?= 1s
LOAD ?=
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LINK = -ldflags '-X github.com/homing-hooks/homing/functions/internal/host.linked=$(VERSION) -X main.linked=$(VERSION)'

# Packages of tests run two at a time: they share one Postgres, and some tests measure time.
TEST := $(GO) test -p 2
# The tests use what `hack/services.sh up` found or started, also when the shell has other TEST_* variables.
WITH_SERVICES = hack/services.sh up && eval "$$(hack/services.sh env)" &&

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Run Homing in one process with a demo receiver: no configuration needed
	$(GO) build $(LINK) -o bin/homing ./cmd/homing
	exec bin/homing serve --demo

.PHONY: build
build: ## Build all binaries into bin/
	mkdir -p bin
	$(GO) build -trimpath $(LINK) -o bin/ ./cmd/... $$($(GO) list -f '{{if eq .Name "main"}}{{.ImportPath}}{{end}}' ./functions/...)

.PHONY: generate
generate: ## Write docs/api/openapi.json from the API, and pkg/client from that
	$(WITH_SERVICES) $(GO) test ./functions/manage/api -run '^TestDocument$$' -count=1 -update
	$(GO) generate ./pkg/client

.PHONY: release-api
release-api: ## With a release: what clients may rely on is from now on what docs/api/openapi.json says
	cp docs/api/openapi.json docs/api/openapi.released.json

.PHONY: test
test: ## Start the services, then run all tests (PKG=./pkg/store/... for some)
	$(WITH_SERVICES) $(TEST) -timeout 10m $(PKG)
	$(if $(filter ./...,$(PKG)),$(MAKE) test-knative)

.PHONY: test-knative
test-knative: $(BROKER) ## Check the manifests by Knative's API types, and run the real data plane of its RabbitMQ broker
	cd test/knative && $(GO) vet -tags 'e2e faults images' ./...
	$(WITH_SERVICES) cd test/knative && $(TEST) -timeout 15m ./...

.PHONY: broker
broker: $(BROKER) ## Build the programs of Knative's RabbitMQ broker that the tests run

# The genuine programs, with the very modules that their release links; some minutes, once. knative.dev/eventing v0.48.0
# is missing from the public checksum database; broker.sum holds what it must be.
$(BROKER):
	rm -rf $@.part && mkdir -p $@.part
	cd test/knative && GONOSUMDB=knative.dev/eventing $(GO) build -modfile=dataplane/broker.mod -o $(CURDIR)/$@.part/ \
	  $(addprefix knative.dev/eventing-rabbitmq/cmd/,ingress dispatcher receive_adapter)
	mv $@.part $@

.PHONY: test-faults
test-faults: $(BROKER) ## Run the longest tests: what Homing runs on breaks while thousands of events are under way
	$(WITH_SERVICES) $(TEST) -tags faults -run '^TestSurvives' -count=1 -timeout 15m ./test/acceptance
	$(WITH_SERVICES) cd test/knative && $(TEST) -tags faults -run '^TestSurvives' -count=1 -timeout 30m ./dataplane

.PHONY: race
race: ## Run all tests with the race detector
	$(WITH_SERVICES) $(TEST) -race -timeout 15m $(PKG)

.PHONY: lint
lint: $(GOLANGCI) ## Check format, go vet and golangci-lint (with the layer rules)
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; }
	$(GO) vet -tags faults $(PKG)
	$(GOLANGCI) run $(PKG)

# Built from source through the module proxy, because its releases may be out of reach; 2 to 3 minutes, once.
$(GOLANGCI):
	mkdir -p .dev/bin
	GOBIN="$(CURDIR)/.dev/bin" $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_VERSION)
	mv .dev/bin/golangci-lint $@

.PHONY: golangci
golangci: $(GOLANGCI) ## Build golangci-lint, and print where it is
	@echo $(GOLANGCI)

.PHONY: bench
bench: ## Measure Homing end to end, beside the floors of this machine: some 15 minutes (LOAD='-quick -case fast')
	$(GO) run ./test/load $(LOAD)

.PHONY: bench-micro
bench-micro: ## Run the benchmarks beside the code (BENCH=regexp PKG=./pkg/timer/... BENCHTIME=1s)
	$(WITH_SERVICES) $(TEST) -run '^$$' -bench '$(BENCH)' -benchmem -benchtime $(BENCHTIME) -timeout 30m $(PKG)

.PHONY: fuzz-smoke
fuzz-smoke: ## Fuzz every target for a moment (FUZZTIME=10s)
	@git grep -l --untracked '^func Fuzz' -- '*_test.go' | while read -r file; do \
	  sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file" | while read -r target; do \
	    echo "$$target in $$(dirname "$$file")"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")" </dev/null; \
	  done; \
	done

.PHONY: verify
verify: lint ## All that should be run before a release; takes long
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(MAKE) build
	$(WITH_SERVICES) $(TEST) -race -count=1 -shuffle=on -timeout 30m ./...
	$(MAKE) test-faults
	$(MAKE) fuzz-smoke FUZZTIME=60s
	$(MAKE) bench-micro BENCHTIME=1x
	$(MAKE) bench LOAD=-quick

# Knative. ENV is dev, staging or prod (knative/overlays/), the cluster that of the current kubeconfig; docs/knative.md.
ENV ?= dev
SERVICE ?=
export ENV

SHELLCHECKED := $(wildcard hack/*.sh) .ci/run

.PHONY: lint-scripts
lint-scripts: ## Check all scripts (shellcheck, a Debian package)
	shellcheck -x -P . $(SHELLCHECKED)

.PHONY: deploy
deploy: ## Deploy to the cluster with kn (ENV=dev SERVICE= for one)
	hack/deploy.sh $(SERVICE)

.PHONY: undeploy
undeploy: ## Take it off the cluster again; the data stays (ENV=dev)
	hack/undeploy.sh

.PHONY: status
status: ## Show what is in the cluster, and whether it is ready (ENV=dev)
	hack/status.sh

.PHONY: analyse
analyse: ## Watch a canary, and say whether to promote it (ENV=dev SERVICE=deliver)
	hack/analyse.sh $(SERVICE)

.PHONY: rollout
rollout: ## Bring a version into an environment: schema, then each service by canary (ENV=prod STRATEGY=)
	hack/rollout.sh $(SERVICE)

.PHONY: canary
canary: ## Give a new revision a part of the traffic (ENV=dev SERVICE=deliver PERCENT=10)
	hack/canary.sh $(SERVICE) $(PERCENT)

.PHONY: promote
promote: ## Give the newest revision all traffic (ENV=dev SERVICE=deliver)
	hack/promote.sh $(SERVICE)

.PHONY: rollback
rollback: ## Give an older revision all traffic (ENV=dev SERVICE=deliver REVISION= for which)
	hack/rollback.sh $(SERVICE) $(REVISION)

.PHONY: e2e-knative
e2e-knative: ## Try everything on the cluster, which nobody uses, and write docs/knative-report.md (PART=Burst for a part)
	hack/e2e-knative.sh $(PART)

.PHONY: images
images: ## Build the images with ko and push them to KO_DOCKER_REPO
	@hack/images.sh

.PHONY: verify-images
verify-images: ## Build the images twice into a registry of their own, and look at what is in them
	hack/tools.sh ko cosign crane
	$(GO) test -C test/knative -tags images -count=1 -v -timeout 30m ./images

.PHONY: verify-infra
verify-infra: ## Check infrastructure and monitoring without a cloud: takes some minutes
	hack/verify-terraform.sh
	hack/verify-posture.sh
	hack/verify-monitoring.sh
	hack/verify-workflows.sh
	hack/verify-security.sh
	hack/verify-recovery.sh

.PHONY: verify-security
verify-security: ## The security gate: code, dependencies, licences, secrets, manifests, Terraform (hack/verify-security.sh)
	hack/verify-security.sh

.PHONY: test-security
test-security: ## Plant weaknesses into copies of the checkout, and see that hack/verify-security.sh finds each
	hack/verify-security-test.sh

.PHONY: services
services: ## Start Postgres, Redis and RabbitMQ for the tests
	hack/services.sh up
	hack/services.sh status

.PHONY: services-down
services-down: ## Stop them; their data stays
	hack/services.sh down

.PHONY: clean
clean: ## Stop the services and remove everything that was built or made here
	hack/services.sh wipe
	rm -rf bin .dev
