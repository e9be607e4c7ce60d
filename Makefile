# The shop on one machine. Settings: PORT_OFFSET=n SIDECART_DIR=dir BROKER=rabbitmq|jetstream|redis STATE=redis|postgresql|sqlite
# PROFILE=embedded SECURE=1. What each target does in detail: .bin/stack --help.
.DEFAULT_GOAL := help
.PHONY: help run dev servers stop clean ps stats admin build test lint sbom fuzz bench prove matrix up stack
STACK := .bin/stack

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

run: stack ## build and run everything here; Ctrl-C stops it, data stays
	@$(STACK) up

dev: stack ## the same by `dapr run -f dapr.yaml`, logs in the terminal; DAPRD=stock uses an installed Dapr
	@$(STACK) dev

servers: stack ## only the servers, in the background; then: .bin/dapr run -f dapr.yaml
	@$(STACK) servers

stop: stack ## stop what run or servers started
	@$(STACK) down

clean: stack ## stop, and delete the data
	@$(STACK) clean

ps: stack ## the processes as JSON
	@$(STACK) ps

stats: stack ## memory of every process, and the sum
	@$(STACK) stats

admin: stack ## make a registered account an administrator: make admin EMAIL=me@example.com
	@test -n "$(EMAIL)" || { echo "usage: make admin EMAIL=me@example.com"; exit 2; }
	@AUTH_DATABASE_URL=$$($(STACK) env | sed -n 's/^AUTH_DATABASE_URL=//p') .bin/auth grant-admin "$(EMAIL)"

build: stack ## build everything that run needs
	@$(STACK) build

test: stack ## every test, against real servers and a running shop
	@tools/test.sh

lint: stack ## the linters
	@PARTS=lint tools/test.sh

sbom: stack ## what every program and the pages are made of, in .bin/sbom (CycloneDX)
	@$(STACK) build services gateway cyclonedx-gomod
	@mkdir -p .bin/sbom && version=$$(git describe --always --dirty 2>/dev/null || echo unknown) && for program in gateway $$(ls services); do \
		.bin/cyclonedx-gomod bin -json -version $$version -output .bin/sbom/$$program.json .bin/$$program || exit 1; done
	@cd storefront && npm sbom --sbom-format cyclonedx --omit dev > ../.bin/sbom/storefront.json

fuzz: ## try every parser of outside input with random input; FUZZTIME=1m each, ONLY=gateway
	@tools/fuzz.sh

bench: stack ## load the running shop: rates, percentiles, CPU by process; USERS=1,8,32 FOR=10s ONLY=checkout FILL=1000000 BUYERS=5000 GOODS=100000; IMPORT=100000; INDEX=10000,1000000
	@set -a; eval "$$($(STACK) env | grep -E '^(SHOP_URL|SANDBOX_URL|[A-Z]*_DATABASE_URL)=' | sed "s/=\(.*\)/='\1'/")"; \
		BASE_URL=$$SHOP_URL go run ./e2e/bench -users $(or $(USERS),1,8,32) -for $(or $(FOR),10s) $(if $(ONLY),-only $(ONLY)) $(if $(FILL),-fill $(FILL)) $(if $(BUYERS),-buyers $(BUYERS)) \
		$(if $(GOODS),-goods $(GOODS)) $(if $(IMPORT),-import $(IMPORT)) $(if $(INDEX),-index $(INDEX))

prove: stack ## kill parts while orders flow, in an instance of its own, and check the books; ORDERS=2000 SECONDS=600 SEED=1
	@PARTS=faults PROVE="$(if $(ORDERS),-orders $(ORDERS)) $(if $(SECONDS),-seconds $(SECONDS)) $(if $(SEED),-seed $(SEED))" tools/test.sh

matrix: stack ## the API suite and the proof on every broker with every store; BROKERS="jetstream redis" STATES=sqlite PROVE="-orders 200"
	@PARTS=matrix tools/test.sh

up: ## the same system with Docker Compose
	@mkdir -p .run && { test -s .run/compose.env || (umask 077; deploy/compose/secrets.sh > .run/compose.env); }
	docker compose --env-file .run/compose.env up --build

stack:
	@CGO_ENABLED=0 go build -C tools -mod=readonly -o ../.bin/stack ./stack
