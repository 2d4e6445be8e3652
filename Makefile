# make help lists the targets. Everything works in a fresh clone on Debian 12
# or 13 with Go, make, git and apt; the lab and apt need root.

GO        ?= go
GOLANGCI  := v2.12.2
VULN      := v1.9.0
# Where Go's vulnerability database is: an address, or file:///DIR of a copy.
VULNDB    ?= https://vuln.go.dev
FUZZTIME  ?= 10s
BENCH     ?= .
BENCHTIME ?= 1s

# What the Podman bindings need to be built without Podman's own libraries.
TAGS := remote,containers_image_openpgp,exclude_graphdriver_btrfs,btrfs_noversion
export GOFLAGS += -tags=$(TAGS)

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The targets that test lists run in that order, even with -j: the lab measures
# time, and nothing may build beside it.
.NOTPARALLEL:

# The version that packages and programs have, and the time of the commit.
VERSIONS := $(shell deploy/package/version)
RELEASE  := $(or $(word 1,$(VERSIONS)),dev)
EPOCH    := $(or $(word 2,$(VERSIONS)),0)
LDFLAGS := -s -w -X keeper/internal/cli.Release=$(RELEASE) -X keeper/internal/adoptcli.Release=$(RELEASE) -X keeper/internal/guardcli.Release=$(RELEASE)
NFPM    := v2.43.4
TOOLS   := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/keeper-lab/tools
SCRIPTS := deploy/install.sh systemd/system/revive deploy/package/version deploy/package/stage deploy/package/tarballs $(wildcard deploy/package/*.sh deploy/demo/*.sh deploy/demo/plain/*.sh deploy/demo/images/*/*.sh) .ci/run

# Everything but the suite that boots hosts.
UNIT_PACKAGES = $$($(GO) list ./... | grep -v '/internal/lab$$')

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the programs into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags "$(LDFLAGS)" -o bin/ ./cmd/...

# tool:package. The race detector is the only thing here that needs a C compiler.
NEEDS := dbus-daemon:dbus-daemon dbus-run-session:dbus-daemon shellcheck:shellcheck \
	lintian:lintian rpmlint:rpmlint mandoc:mandoc \
	mmdebstrap:mmdebstrap systemd-nspawn:systemd-container nsenter:util-linux gcc:gcc

.PHONY: setup
setup: ## Install with apt what the tests need and this machine lacks
	@missing=; \
	for need in $(NEEDS); do \
		command -v "$${need%:*}" >/dev/null || missing+=" $${need#*:}"; \
	done; \
	case "$$missing" in *gcc*) missing+=" libc6-dev";; esac; \
	missing=$$(printf '%s\n' $$missing | sort -u | tr '\n' ' '); \
	[ -n "$${missing// /}" ] || exit 0; \
	if [ "$$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then \
		echo "setup: missing here: $$missing"; \
		echo "setup: only root can install that, with apt-get; tests that need it are skipped"; \
		exit 0; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	install() { apt-get install --yes --no-install-recommends $$missing; }; \
	echo "setup: installing with apt-get: $$missing"; \
	if ! install >/dev/null 2>&1; then \
		echo "setup: the package lists are missing or old: apt-get update"; \
		if ! { apt-get --quiet=2 update && install >/dev/null; }; then \
			echo "setup: apt-get failed, see above; tests that need $$missing are skipped"; \
		fi; \
	fi

.PHONY: test
test: setup build vet test-unit check-scripts check-units packages check-packages test-lab ## Run every test, the lab suite last (root)

.PHONY: vet
vet: ## Run go vet
	$(GO) vet ./...

.PHONY: test-unit
test-unit: ## Run the tests that need no host, with the race detector
	@race=-race; cgo=1; \
	command -v gcc >/dev/null || { race=; cgo=0; echo "test-unit: no gcc here, so without the race detector"; }; \
	packages=$(UNIT_PACKAGES); \
	echo "go test $$race -count=1, all packages but internal/lab"; \
	CGO_ENABLED=$$cgo $(GO) test $$race -count=1 $$packages

.PHONY: test-lab
test-lab: build ## Boot real hosts and try keeper on them (root; the first run builds them)
	$(GO) test ./internal/lab/... -count=1 -timeout 60m -v | sed -u '/^=== \(PAUSE\|CONT\|NAME\)/d'

.PHONY: check-scripts
check-scripts: ## Run shellcheck on the shell scripts
	@if ! command -v shellcheck >/dev/null; then \
		echo "check-scripts: no shellcheck here, so the scripts are not checked (make setup)"; \
		[ -z "$${KEEPER_TEST_REQUIRE:-}" ]; exit; \
	fi; \
	set -x; shellcheck $(SCRIPTS)

# The units name /usr/bin/keeper, which install.sh replaces; here it is the
# program that was just built. A drop-in can only be read as part of a unit, and
# a template only as an instance: root's are put on stand-ins.
.PHONY: check-units
check-units: build ## Have systemd read the units, if it is here
	@if ! systemd-analyze verify --help 2>/dev/null | grep -q recursive-errors; then \
		echo "check-units: no systemd-analyze of 250 or later here; the lab's hosts load the units all the same"; \
		exit 0; \
	fi; \
	dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	mkdir "$$dir/helper.service.d"; \
	printf '[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/true\n' >"$$dir/helper.service"; \
	cp systemd/podman-helper.conf "$$dir/helper.service.d/"; \
	for unit in systemd/*.service; do \
		sed 's|/usr/bin/keeper|$(CURDIR)/bin/keeper|' "$$unit" >"$$dir/$${unit##*/}"; \
	done; \
	echo "systemd-analyze verify --user systemd/*"; \
	XDG_RUNTIME_DIR=$$dir systemd-analyze verify --user --man=no --recursive-errors=one "$$dir"/*.service; \
	mkdir "$$dir/system"; \
	sed 's|/usr/libexec/keeper/revive|$(CURDIR)/systemd/system/revive|' systemd/system/keeper-revive@.service >"$$dir/system/keeper-revive@1000.service"; \
	for unit in user@ user-runtime-dir@; do \
		mkdir "$$dir/system/$${unit}1000.service.d"; \
		printf '[Service]\nExecStart=/bin/true\n' >"$$dir/system/$${unit}1000.service"; \
		cp "systemd/system/$$unit.service.conf" "$$dir/system/$${unit}1000.service.d/"; \
	done; \
	echo "systemd-analyze verify systemd/system/*"; \
	systemd-analyze verify --man=no --recursive-errors=one "$$dir"/system/*.service

.PHONY: demo
demo: build ## Show the incident and what follows (root; WITHOUT_KEEPER=1 strikes with linger alone)
	bin/keeper-lab demo $(if $(WITHOUT_KEEPER),--without-keeper)

MATRIX := docs/reference/kill-matrix

.PHONY: killmatrix
killmatrix: setup build ## Strike the whole kill table and write docs/reference/kill-matrix.* (root; about an hour, nothing else running, the clock set; MATRIX_FLAGS=…)
	bin/keeper-lab killmatrix --clock --json $(MATRIX).json --markdown $(MATRIX).md $(MATRIX_FLAGS)

.PHONY: manual
manual: ## Write the generated pages of docs/reference anew
	CGO_ENABLED=0 $(GO) run ./cmd/keeper-manual --docs docs

LINT = $(TOOLS)/golangci-lint-$(GOLANGCI)-$(shell $(GO) env GOVERSION)

# Its cache knows files by their content, and then reports them by the path that
# they had in another checkout, which may be gone: each checkout has its own.
.PHONY: lint
lint: ## Run golangci-lint (built once, kept outside the repository)
	@if [ ! -x "$(LINT)" ]; then \
		echo "lint: building golangci-lint $(GOLANGCI) (two minutes, once)"; \
		mkdir -p "$(TOOLS)"; tmp=$$(mktemp -d "$(TOOLS)/lint.XXXXXX"); trap 'rm -rf "$$tmp"' EXIT; \
		GOBIN="$$tmp" CGO_ENABLED=0 $(GO) install -trimpath -ldflags "-s -w" \
			github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI); \
		mv "$$tmp/golangci-lint" "$(LINT)"; \
	fi
	GOLANGCI_LINT_CACHE="$(CURDIR)/bin/lint-cache" $(LINT) run

ARCH    = $(shell $(GO) env GOARCH)
NFPM_AT = $(TOOLS)/nfpm-$(NFPM)-$(shell $(GO) env GOVERSION)
DEB     = dist/keeper_$(RELEASE)_$(ARCH).deb
RPM     = dist/keeper-$(RELEASE)-1.$(if $(filter amd64,$(ARCH)),x86_64,$(if $(filter arm64,$(ARCH)),aarch64,$(ARCH))).rpm

# The same commit gives the same bytes: docs/how-to/build-packages.md.
.PHONY: packages
packages: build ## Build the packages into dist/, deb and rpm
	@if [ ! -x "$(NFPM_AT)" ]; then \
		echo "packages: building nfpm $(NFPM) (once, kept outside the repository)"; \
		mkdir -p "$(TOOLS)"; tmp=$$(mktemp -d "$(TOOLS)/nfpm.XXXXXX"); trap 'rm -rf "$$tmp"' EXIT; \
		GOBIN="$$tmp" GOFLAGS= CGO_ENABLED=0 $(GO) install -trimpath -ldflags "-s -w" \
			github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM); \
		mv "$$tmp/nfpm" "$(NFPM_AT)"; \
	fi
	rm -rf dist && mkdir -p dist
	deploy/package/stage "$(RELEASE)" "$(EPOCH)"
	@export VERSION="$(RELEASE)" ARCH="$(ARCH)" SOURCE_DATE_EPOCH="$(EPOCH)"; \
	set -x; \
	"$(NFPM_AT)" package --config deploy/nfpm.yaml --packager deb --target "$(DEB)"; \
	"$(NFPM_AT)" package --config deploy/nfpm.yaml --packager rpm --target "$(RPM)"

.PHONY: dist
dist: packages ## Build all that a release has: packages, tarballs, SBOM, checksums
	deploy/package/tarballs "$(RELEASE)" "$(EPOCH)" "$(ARCH)"
	SOURCE_DATE_EPOCH="$(EPOCH)" bin/keeper-sbom --of-version "$(RELEASE)" --bom "dist/keeper-$(RELEASE).cdx.json" bin/keeper bin/keeper-adopt bin/keeper-guard
	cd dist && sha256sum keeper* >SHA256SUMS && ls -l

# lintian and rpmlint know what a distribution expects; what they are told to
# overlook, and why, is in deploy/package/lintian-overrides and rpmlint.toml. nfpm's
# rpm has absolute paths, and rpmlint unpacks it by cpio, which would put keeper into the
# /usr of this machine.
.PHONY: check-packages
check-packages: ## Have lintian and rpmlint look at the packages in dist/
	@for tool in lintian rpmlint; do \
		command -v $$tool >/dev/null && continue; \
		echo "check-packages: no $$tool here, so the packages are not checked (make setup)"; \
		[ -z "$${KEEPER_TEST_REQUIRE:-}" ]; exit; \
	done; \
	dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	printf '#!/bin/sh\nexec %s --no-absolute-filenames "$$@"\n' "$$(command -v cpio)" >"$$dir/cpio"; chmod 0755 "$$dir/cpio"; \
	set -x; \
	lintian --allow-root --fail-on error,warning --tag-display-limit 0 $(DEB); \
	PATH="$$dir:$$PATH" rpmlint --strict --config deploy/package/rpmlint.toml $(RPM)

VULNCHECK = $(TOOLS)/govulncheck-$(VULN)-$(shell $(GO) env GOVERSION)

# Not part of test: it needs the database, and what that says changes from day to day.
# govulncheck exits with 3 if something was found, and with another status if it could
# not look.
.PHONY: vuln
vuln: ## Compare what is linked with Go's vulnerability database (needs vuln.go.dev, or VULNDB=file:///DIR)
	@if [ ! -x "$(VULNCHECK)" ]; then \
		echo "vuln: building govulncheck $(VULN) (once)"; \
		mkdir -p "$(TOOLS)"; tmp=$$(mktemp -d "$(TOOLS)/vuln.XXXXXX"); trap 'rm -rf "$$tmp"' EXIT; \
		GOFLAGS= GOBIN="$$tmp" CGO_ENABLED=0 $(GO) install -trimpath -ldflags "-s -w" \
			golang.org/x/vuln/cmd/govulncheck@$(VULN); \
		mv "$$tmp/govulncheck" "$(VULNCHECK)"; \
	fi; \
	echo "govulncheck $(VULN), database $(VULNDB)"; \
	status=0; CGO_ENABLED=0 timeout 600 "$(VULNCHECK)" -db "$(VULNDB)" -tags "$(TAGS)" ./cmd/... || status=$$?; \
	case $$status in \
	0 | 3) ;; \
	*) echo "vuln: nothing was compared, see above. It needs $(VULNDB):" \
		"run it where that can be reached, or with a copy: make vuln VULNDB=file:///DIR" >&2 ;; \
	esac; \
	exit $$status

.PHONY: fmt
fmt: ## Format the Go code
	gofmt -l -w cmd deploy internal systemd

.PHONY: bench
bench: ## Run the benchmarks (BENCH=regexp BENCHTIME=1s)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem $(UNIT_PACKAGES)

.PHONY: fuzz
fuzz: ## Run each fuzz target for a while (FUZZTIME=10s)
	@files=$$(grep -rlE --include='*_test.go' '^func Fuzz' . || true); \
	[ -n "$$files" ] || echo "fuzz: there are no fuzz targets"; \
	for file in $$files; do \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$$file"); do \
			echo "fuzz: $$target in $${file%/*}"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$${file%/*}"; \
		done; \
	done

.PHONY: clean
clean: ## Remove bin/ and dist/ (hosts and caches stay: keeper-lab down, ~/.cache/keeper-lab)
	rm -rf bin dist
