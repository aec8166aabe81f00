# Bifrost, for people who work on it. "make help" lists the commands.
# What has to be installed: Go 1.26, Python 3.11, a JDK 17 and Maven. Everything else goes to .local.

GO            ?= go
LOCALSERVICES := .local/bin/localservices
SAM           := SAM_CLI_TELEMETRY=0 .local/venv-sam/bin/sam

# The first part of it is in every "go test" of the package, with fixed seeds; this is for fresh ones, which it prints.
SIMULATION := $(GO) test ./internal/bifrosttest -count=1 -v -timeout 24h

# What make build and make deploy take beside BROKERS: another processor; another name than bifrost; other
# parameters of template.yaml, such as PARAMETERS="MaxInFlight=16 Start=latest".
ARCHITECTURE ?= arm64
STACK        ?=
PARAMETERS   ?=

# How long the parts of "make soak" take that last as long as they are told to.
MINUTES    ?= 30

# The packages that read or write times. The cache of test results does not see TZ.
TIMED      := ./cmd/bifrost ./cmd/bifrost/internal/human ./cmd/bifrost/internal/jobs ./cmd/bifrost/internal/reportpage \
	./internal/bifrost ./internal/capture ./internal/config ./internal/dynamoledger ./internal/export ./internal/health \
	./internal/job ./internal/metrics ./internal/repair ./internal/replay ./internal/restore ./internal/schema \
	./internal/templates ./internal/verify

.DEFAULT_GOAL := help
.PHONY: help demo up down second test check arm64 lint templates build deploy bench figures soak audit release FORCE

help: ## List the commands.
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## /  make \1\t/' | expand -t 18
	@echo
	@echo '  demo and up take KAFKA=embedded (no Java needed) or KAFKA=host:port (your own cluster).'

demo: $(LOCALSERVICES) ## Show the main job from end to end on this machine, and clean up.
	@$(LOCALSERVICES) demo

up: $(LOCALSERVICES) ## Start the whole stack on this machine and leave it running; writes .local/env.
	@$(LOCALSERVICES) up

second: $(LOCALSERVICES) ## Run a second, empty cluster to try a restore into, until it is interrupted.
	@$(LOCALSERVICES) second

down: $(LOCALSERVICES) ## Stop what "make up" started.
	@$(LOCALSERVICES) down

# Tests that need real parts carry the build tag "real", so "go test ./..." alone never skips one.
test: lint templates ## Run every test, against real Kafka, DynamoDB Local, S3 and a deployed stack.
	$(BYTES_ON_ARM64)
	$(LOCALSERVICES) run $(GO) test -tags real -timeout 20m ./...
	TZ=America/St_Johns $(GO) test -count=1 $(TIMED)
	@GO=$(GO) .ci/coverage .local/coverage.out
	$(SIMULATION) -run Mutants -mutants
	$(SIMULATION) -run 'TestCombinedFaults|TestRandom' -simulate=45s

# A third of the time each: simulated faults, processes that are killed, a deployed
# stack under faults. Then a million records go through exports, and around through a replay, that are killed.
soak: $(LOCALSERVICES) ## Simulate and kill for longer: make soak MINUTES=10.
	$(SIMULATION) -run 'TestEveryFault|TestCombinedFaults|TestRandom' -simulate=$$(( $(MINUTES) * 20 ))s
	BIFROST_KILL_SECONDS=$$(( $(MINUTES) * 20 )) $(LOCALSERVICES) run $(GO) test -tags real -count=1 -v -timeout 24h -run TestKill ./internal/killtest
	$(GO) test -tags soak -count=1 -v -timeout 1h -run TestRolesAreNoLargerThanNeeded ./cmd/localservices
	$(LOCALSERVICES) run $(GO) test -tags real,soak -count=1 -v -timeout 1h -run 'TestTheDayTheRegionIsGone|TestARestoreAsAJob|TestApplicationsGoOn|TestMirrorMaker|TestARegistryComesBack|TestKafkaClients|TestGroupsReadTheArchive|TestSpark|TestMemoryOf' ./cmd/bifrost
	BIFROST_SOAK_SECONDS=$$(( $(MINUTES) * 20 )) $(LOCALSERVICES) run $(GO) test -tags real,soak -count=1 -v -timeout 24h -run 'TestOperations|TestDeployedSoak|TestCutLog|TestBlocked|TestKilledWorkers|TestUpgrade|TestJobs|TestAJobOver|TestARM64' ./cmd/localservices
	BIFROST_SOAK_SECONDS=$$(( $(MINUTES) * 20 )) $(LOCALSERVICES) run $(GO) test -tags real -count=1 -v -timeout 24h -run TestTheSpliceUnderFaults ./cmd/bifrost
	$(LOCALSERVICES) run $(GO) test -tags real -count=1 -v -run TestWarm ./functions/archive -args -invocations=1000
	BIFROST_EXPORT_RECORDS=1000000 $(LOCALSERVICES) run $(GO) test -tags real -count=1 -v -timeout 24h -run TestEnginesRead ./cmd/bifrost
	BIFROST_ROUND_TRIP_RECORDS=1000000 $(LOCALSERVICES) run $(GO) test -tags real -count=1 -v -timeout 24h -run TestEveryRecordComesBack ./cmd/bifrost
	$(LOCALSERVICES) run $(GO) test -tags real,soak -count=1 -v -run 'TestABrokerIsKilled|TestAQuota' ./internal/replay
	$(GO) test -tags soak -count=1 -v ./cmd/release

# The template's processor is not that of most machines here. QEMU runs its programs: the packages with
# bytes in them in "make test", functions that are deployed in "make arm64", which needs root.
QEMU       := $(if $(filter aarch64 arm64,$(shell uname -m)),,-exec $(abspath .local/bin/qemu-aarch64))
SLOW       := Memory|Allocat|EveryByte|Window|FailureIsNoVerdict|Bomb
BYTES      := $(GO) test $(QEMU) -skip '$(SLOW)'
define BYTES_ON_ARM64
	@$(LOCALSERVICES) install qemu
	GOARCH=arm64 $(BYTES) ./baldr/...
	GOARCH=arm64 $(BYTES) -run 'Walk|ScanResponse|Old' ./internal/kafka
	GOARCH=arm64 $(BYTES) ./internal/recordbatch ./internal/zstdframe
endef

arm64: $(LOCALSERVICES) ## Run the functions for arm64, the template's default, deployed on this machine.
	$(BYTES_ON_ARM64)
	$(LOCALSERVICES) run $(GO) test -tags real,soak -count=1 -v -timeout 1h -run TestARM64 ./cmd/localservices

check: lint ## The fast loop: format, vet, staticcheck, unit tests.
	$(GO) test ./...

lint: $(LOCALSERVICES)
	@$(LOCALSERVICES) install staticcheck
	@unformatted=$$(gofmt -l baldr cmd functions internal); \
		test -z "$$unformatted" || { echo "gofmt these:"; echo "$$unformatted"; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) vet -tags real ./...
	$(GO) vet -tags real,soak ./...
	.local/bin/staticcheck ./...
	.local/bin/staticcheck -tags real ./...

templates: $(LOCALSERVICES)
	@$(LOCALSERVICES) install sam
	@for template in template.yaml infra/*.yaml; do \
		$(SAM) validate --lint --region eu-west-1 --template $$template || exit 1; done
	.local/venv-sam/bin/cfn-lint template.yaml infra/*.yaml

build: $(LOCALSERVICES) ## Build the functions for AWS: make build ARCHITECTURE=x86_64.
	@$(LOCALSERVICES) build .aws-sam/build $(ARCHITECTURE)

# What is not said here is as samconfig.toml says, as it was in the stack, or by default, the first that
# there is; with BROKERS or PARAMETERS the parameters in samconfig.toml do not count. A stack name of more
# than 55 characters would make names that Lambda does not take.
deploy: build ## Deploy to your own AWS account: make deploy BROKERS=host:9092,host:9092.
	@test $$(printf %s "$(STACK)" | wc -c) -le 55 || { echo "STACK may have at most 55 characters"; exit 1; }
	$(SAM) deploy --resolve-s3 --no-fail-on-empty-changeset --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND \
		$(addprefix --stack-name ,$(or $(STACK),$(if $(wildcard samconfig.toml),,bifrost))) \
		$(if $(BROKERS)$(PARAMETERS),--parameter-overrides $(addprefix Brokers=,$(BROKERS)) $(PARAMETERS))

bench: $(LOCALSERVICES) ## Measure speed, scale and cost; every figure is a line of JSON.
	$(GO) run ./cmd/bench

figures: $(LOCALSERVICES) ## Measure as bench does, and put figures and pictures into docs.
	$(GO) run ./cmd/bench -docs docs

release: ## Build what is published, with bills of materials: make release VERSION=v1.2.3.
	$(GO) run ./cmd/release -version "$(VERSION)" -out ".local/release/$(VERSION)"

# govulncheck ends with 3 when it found something, with 1 when it could not look.
audit: $(LOCALSERVICES) ## Look for known vulnerabilities in what is used.
	@$(LOCALSERVICES) install govulncheck
	@.local/bin/govulncheck ./...; status=$$?; \
		if [ $$status -eq 1 ]; then echo "NOT RUN: govulncheck could not do its work, as it says above"; fi; exit $$status

# Go itself knows what is out of date.
$(LOCALSERVICES): FORCE
	@$(GO) build -o $@ ./cmd/localservices
