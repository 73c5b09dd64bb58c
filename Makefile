# The targets a developer needs; `make help` lists them. Recipes stay short: what is longer is in scripts/.
SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Static, without paths of the machine that built it: the agent runs inside images whose C library is not ours. Checks and
# tests compile the same way, so that nothing is compiled twice; the race detector alone wants C.
export CGO_ENABLED := $(if $(filter -race,$(TESTFLAGS)),1,0)
export GOFLAGS := $(sort $(shell go env GOFLAGS 2>/dev/null) -trimpath -buildvcs=false)

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
GOBUILD := CGO_ENABLED=0 go build -ldflags "-s -w -X main.version=$(VERSION) -X millpond/internal/node.Version=$(VERSION)"

# BASE of `make demo`: debootstrap makes a Debian base image, host uses this machine's own /usr.
BASE ?= debootstrap
# More flags for `go test`, e.g. make test TESTFLAGS=-race
TESTFLAGS ?=

.PHONY: help build demo test check bench generate verify tools

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## static millpond and millpond-node in bin/
	@mkdir -p bin
	$(GOBUILD) -o bin/millpond ./cmd/millpond
	$(GOBUILD) -o bin/millpond-node ./cmd/millpond-node

demo: ## the main job, for real, in a throw-away folder (BASE=debootstrap or host)
	@scripts/setup build $(if $(filter host,$(BASE)),,demo)
	@$(MAKE) --no-print-directory build
	@cd examples && BASE=$(BASE) MILLPOND=$(CURDIR)/bin/millpond go run ./mainjob

test: ## all tests: Go, PostgreSQL, whole program, real az and SDK clients
	@scripts/setup test
	@$(MAKE) --no-print-directory build
	@scripts/test $(TESTFLAGS)

check: tools ## format, vet, lint, rooms, generated files, known vulnerabilities
	@scripts/check

bench: build ## the promises of docs/performance.md, as ratios in one run
	@scripts/bench

generate: ## write the generated files anew
	go generate ./...

verify: ## fail where a generated file is not what `make generate` writes
	@scripts/verify

# Linters come from the module proxy by the pins of tools/go.mod, and are built once per pin.
tools: .tools/bin/.built
.tools/bin/.built: tools/go.mod tools/go.sum
	@mkdir -p .tools/bin
	cd tools && go build -o ../.tools/bin/ tool
	@touch $@
