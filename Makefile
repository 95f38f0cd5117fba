# Penstock. `make` lists what there is.

GO      ?= go
BIN     := bin
TOOLS   := $(CURDIR)/.tools/bin
PLUGINS := $(notdir $(wildcard plugins/*))
# The race detector needs a C compiler; without one the tests run without it.
CC_FOUND := $(shell command -v $(firstword $(shell $(GO) env CC)) 2>/dev/null)
RACE     := $(if $(CC_FOUND),-race,)
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

GOLANGCI      := v2.15.0
BUF           := v1.69.0
PROTOC_GEN_GO := v1.36.12
CONNECT       := v1.21.1
PROTOCOLS     := sdk/internal/wire host/internal/api

.DEFAULT_GOAL := help
.PHONY: help build run test check fmt lint generate generated docs tidy chaos bench fuzz clean postgres

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  \1\t\2/' | expand -t 14

build: ## build bin/penstock, bin/devchain and bin/plugins/*
	@mkdir -p $(BIN)/plugins
	@echo "building bin/penstock and its plugins: $(PLUGINS)"
	@$(GO) build -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN)/penstock ./host
	@$(GO) build -ldflags '-s -w' -o $(BIN)/plugins/ $(addprefix ./plugins/,$(PLUGINS))
	@echo "building bin/devchain, a whole Ethereum node (the first time takes some minutes)"
	@$(GO) build -ldflags '-s -w' -o $(BIN)/devchain ./examples/devchain

# What was just built is what may run: see docs/supply.md.
run: build ## run pipelines.hcl until Ctrl-C: on the development chain, or on the node that ETH_RPC_URL names
	@mkdir -p data
	@$(BIN)/penstock plugin lock >/dev/null
	@# A job of its own gets Ctrl-C alone: make would turn a clean end into an error.
	@if [ -t 0 ]; then set -m; fi; $(BIN)/penstock run $(if $(ETH_RPC_URL),,--devchain --var from=0 --var database=data/devchain.db) pipelines.hcl

# These link a whole Ethereum node or a database, of which the others build programs too. They are built once, without the race
# detector, which would double the time of all tests; the packages of their plugins that share memory run with it. go vet is part
# of check, where it does not go through all that is imported.
# The tests of the engine and the scripts of the commands start hundreds of programs, and the model of the protocol searches millions
# of states: the detector would multiply that. The engine's shorter tests run with it too.
WHOLE := ./examples/... ./plugins/ethereum ./plugins/sqlite ./host ./host/internal/chaos/... ./host/internal/engine/... ./host/internal/cli ./host/internal/conformance \
	./host/internal/scaffold ./host/internal/change

test: postgres ## run every test, with the race detector where there is a C compiler
	$(GO) test -vet=off -timeout 25m $(WHOLE)
	$(GO) test -vet=off $(RACE) -short -timeout 25m ./host/internal/engine
	$(GO) test -vet=off $(RACE) -timeout 25m $(filter-out $(shell $(GO) list $(WHOLE)),$(shell $(GO) list ./...))
	cd plugins/parquet/readers && $(GO) test ./...

postgres: ## find a PostgreSQL server for the tests, or install one
	@$(GO) run ./plugins/postgres/internal/server/ready

check: lint generated tidy ## format, lint, generated code, go.mod, import walls
	@$(GO) test -run Imports ./host

$(TOOLS)/golangci-lint:
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
$(TOOLS)/buf:
	GOBIN=$(TOOLS) $(GO) install github.com/bufbuild/buf/cmd/buf@$(BUF)
$(TOOLS)/protoc-gen-go:
	GOBIN=$(TOOLS) $(GO) install google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GEN_GO)
$(TOOLS)/protoc-gen-connect-go:
	GOBIN=$(TOOLS) $(GO) install connectrpc.com/connect/cmd/protoc-gen-connect-go@$(CONNECT)

fmt: $(TOOLS)/golangci-lint ## lay out all code
	@$(TOOLS)/golangci-lint fmt ./...

lint: $(TOOLS)/golangci-lint ## report what is laid out or written wrongly
	@$(TOOLS)/golangci-lint fmt --diff ./...
	@$(TOOLS)/golangci-lint run ./...

generate: $(TOOLS)/buf $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-connect-go ## generate code from the protocols
	@set -e; PATH=$(TOOLS):$$PATH; for dir in $(PROTOCOLS); do (cd $$dir && buf lint && buf generate); done

generated: generate ## fail if generated code is not up to date
	@git diff --exit-code -- $(PROTOCOLS) || { echo "generated code is not up to date: commit what make generate made"; exit 1; }

docs: ## write docs/registers.md, which is made of what the plugins say of themselves
	$(GO) test -run TestRegistersPage ./host -update

tidy: ## fail if go.mod is not tidy
	@$(GO) mod tidy -diff
	@cd examples/whale && $(GO) mod tidy -diff
	@cd plugins/parquet/readers && $(GO) mod tidy -diff

chaos: build ## run pipelines through storms and compare: SEEDS=200 FIRST=1 JOBS=2
	$(BIN)/penstock chaos examples/pipelines/chaos.hcl --seed $(or $(FIRST),1) --runs $(or $(SEEDS),200) --jobs $(or $(JOBS),2)

bench: ## print every figure, as ratios to a yardstick in the same run
	$(GO) test -run '^$$' -bench . -benchtime 1s ./sdk/transit
	$(GO) run ./host/internal/bench
	$(GO) test -run '^$$' -bench . -benchtime 3x ./sdk/eth/decode ./sdk/eth/verify ./plugins/ethereum ./plugins/parquet ./plugins/postgres ./host/internal/chain

fuzz: ## fuzz what reads bytes from outside, half a minute each
	$(GO) test -run '^$$' -fuzz FuzzFrame -fuzztime 30s ./sdk/internal/wire
	$(GO) test -run '^$$' -fuzz FuzzDecode -fuzztime 30s ./sdk/transit
	$(GO) test -run '^$$' -fuzz FuzzParse -fuzztime 30s ./host/internal/config
	$(GO) test -run '^$$' -fuzz FuzzRead -fuzztime 30s -fuzzminimizetime 1s ./sdk/recording
	$(GO) test -run '^$$' -fuzz FuzzAnswers -fuzztime 30s ./sdk/eth/decode
	$(GO) test -run '^$$' -fuzz FuzzScanner -fuzztime 30s ./sdk/eth/decode
	$(GO) test -run '^$$' -fuzz FuzzWhatProvidersMean -fuzztime 30s ./sdk/chain
	$(GO) test -run '^$$' -fuzz FuzzParse -fuzztime 30s ./host/internal/chain
	$(GO) test -run '^$$' -fuzz FuzzFile -fuzztime 30s ./host/internal/chain/era

clean: ## remove what make made
	rm -rf $(BIN) .tools .penstock data/devchain.db*
