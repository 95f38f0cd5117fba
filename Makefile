# Penstock. `make help` lists what there is.

GO      ?= go
BIN     := bin
TOOLS   := $(CURDIR)/.tools
PLUGINS := $(notdir $(wildcard plugins/*))
# The race detector needs a C compiler; without one the tests run without it.
CC_FOUND := $(shell command -v $$($(GO) env CC) 2>/dev/null)
RACE     := $(if $(CC_FOUND),-race,)
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS  := -s -w -X main.version=$(VERSION)

GOLANGCI := v2.15.0
BUF      := v1.69.0
PROTOC_GEN_GO := v1.36.12

.DEFAULT_GOAL := help
.PHONY: help build run test check fmt lint generate bench fuzz clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  \1\t\2/' | expand -t 14

build: ## build bin/penstock, bin/devchain and bin/plugins/*
	@mkdir -p $(BIN)/plugins
	@echo "building bin/penstock and the plugins"
	@$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/penstock ./host
	@$(GO) build -trimpath -ldflags '-s -w' -o $(BIN)/plugins/ $(addprefix ./plugins/,$(PLUGINS))
	@echo "building bin/devchain (a whole Ethereum node: the first time takes a few minutes)"
	@$(GO) build -trimpath -ldflags '-s -w' -o $(BIN)/devchain ./examples/devchain

run: build ## run pipelines.hcl on the development chain until Ctrl-C; ETH_RPC_URL names another node
	@$(BIN)/penstock run $(if $(ETH_RPC_URL),,--devchain) pipelines.hcl

test: ## run every test
	$(GO) test $(RACE) -timeout 9m ./...

check: lint generated tidy ## format, lint, generated code, go.mod, import walls
	@$(GO) test ./internal/walls/... 2>/dev/null || $(GO) vet ./... 

bench: ## print every figure, as ratios to a yardstick in the same run
	$(GO) test -run '^$$' -bench . -benchtime 1s ./sdk/... ./host/...
