# make run    try it in one command          make test   everything that can be proved here
SHELL := /bin/bash
.DEFAULT_GOAL := build

GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOLANGCI    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 10s
PARSER_FUZZTIME ?= $(FUZZTIME)
STORE    ?= sqlite
IMAGE    ?= claviger:local
# Packages with concurrency of their own.
RACE     ?= ./store/... ./hsm/... ./kmip/custody/... ./kmip/server/... ./kmip/wire/... ./kmip/client/... ./kmip/operation/... ./admin/... ./cmd/...

.PHONY: build build-fips run test test-packages race fuzz lint bench conformance conformance-report image clean

build: ## the program, into ./bin
	CGO_ENABLED=1 go build -trimpath -o bin/claviger ./cmd/claviger

# The version of the Go Cryptographic Module that is built in: v1.0.0 is the one that the
# toolchain lists as certified (lib/fips140/certified.txt). A program that is built so
# has its FIPS 140-3 mode on by default.
GOFIPS140 ?= v1.0.0

build-fips: ## the same with the validated cryptographic module, in FIPS 140-3 mode, into ./bin
	CGO_ENABLED=1 GOFIPS140=$(GOFIPS140) go build -trimpath -o bin/claviger-fips ./cmd/claviger

run: ## a server to try out, in ./claviger-dev
	go run ./cmd/claviger dev

test-packages: ## installs what the tests need and is missing
	testenv/scripts/packages.sh

test: test-packages ## all tests, none skipped for want of a program
	testenv/scripts/test.sh

race: ## the race detector on what runs concurrently
	go test -race -timeout 30m $(RACE)

fuzz: ## every fuzz target for FUZZTIME, the parsers of messages for PARSER_FUZZTIME
	FUZZTIME=$(FUZZTIME) PARSER_FUZZTIME=$(PARSER_FUZZTIME) testenv/scripts/fuzz.sh

bin/gofumpt bin/staticcheck bin/golangci-lint: Makefile
	GOBIN=$(CURDIR)/bin go install $(GOFUMPT)
	GOBIN=$(CURDIR)/bin go install $(STATICCHECK)
	GOBIN=$(CURDIR)/bin go install $(GOLANGCI)
	@touch bin/gofumpt bin/staticcheck bin/golangci-lint

lint: bin/gofumpt ## format, vet, staticcheck, golangci-lint
	@unformatted=$$(bin/gofumpt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofumpt: $$unformatted"; exit 1; }
	go vet ./...
	bin/staticcheck ./...
	bin/golangci-lint run ./...
	cd testenv/ovh && go vet ./... && ../../bin/staticcheck ./... && ../../bin/golangci-lint run -c ../../.golangci.yml ./...

bench: ## Go benchmarks, then the server beside PyKMIP's; writes docs/performance.md
	go test -run '^$$' -bench . -benchtime 0.2s ./kmip/... ./hsm/... ./store/sqlite/...
	go run ./testenv/load -report docs/performance.md

conformance: ## the OASIS cases of CONFORMANCE_DIR, on STORE=sqlite or postgres
	STORE=$(STORE) go test -count 1 -timeout 20m -v -run '^TestConformance$$' ./testenv/interop

conformance-report: ## the same on both stores; writes docs/conformance.md
	STORE=sqlite,postgres CLAVIGER_CONFORMANCE_REPORT=docs/conformance.md go test -count 1 -timeout 20m -v -run '^TestConformance$$' ./testenv/interop

image: ## the container image (BASE_IMAGE=… for another base)
	mkdir -p deploy/build
	CGO_ENABLED=1 go build -trimpath -o deploy/build/claviger ./cmd/claviger
	docker build $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) -t $(IMAGE) .

clean:
	rm -rf bin deploy/build
	go clean -testcache
