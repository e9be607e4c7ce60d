#!/usr/bin/env bash
# Every test of the project: `make test`. It starts an instance of its own, on ports of its own, beside a shop that may be
# running, and leaves nothing behind. PARTS="units api" runs some parts only; PORT_OFFSET=2000 takes other ports.
set -euo pipefail
cd "$(dirname "$0")/.."

PARTS=${PARTS:-lint units api browser faults profiles dev}
export SIDECART_DIR=$PWD/.run-test PORT_OFFSET=${PORT_OFFSET:-1000}
export CGO_ENABLED=0 GOFLAGS=-tags=nodynamic # as the builds, so that they share what is compiled
export BASE_URL=http://localhost:$((8080 + PORT_OFFSET)) SANDBOX_URL=http://localhost:$((8090 + PORT_OFFSET))
stack=.bin/stack
passed=0

say() { printf '\n== %s (%ds)\n' "$*" "$SECONDS"; }
wanted() { [[ " $PARTS " == *" $1 "* ]]; }
part() { say "$1"; shift; "$@"; passed=$((passed + 1)); }

keep_logs() { # of a failed run, before its data are deleted
    if [[ -d $1/log ]]; then
        rm -rf .run-failed && cp -r "$1/log" .run-failed && echo "logs of the failed run: .run-failed/" >&2
    fi
}

cleanup() {
    status=$?
    if [[ $status != 0 ]]; then keep_logs "$SIDECART_DIR"; fi
    $stack clean || true
    exit $status
}
trap cleanup EXIT

storefront() { # in a subshell: lint, types, units
    (cd storefront && npm run --silent lint && npm run --silent typecheck && npm test --silent)
}

browser() {
    local program=${CHROMIUM_PATH:-}
    find_chromium() { command -v chromium-headless-shell || command -v chromium; }
    if [[ -z $program ]] && ! find_chromium >/dev/null && [[ $(id -u) = 0 ]] && command -v apt-get >/dev/null; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-headless-shell >/dev/null
    fi
    if ! program=${program:-$(find_chromium)}; then
        echo "the browser suite needs Chromium: apt-get install chromium-headless-shell, or chromium"
        [[ -z ${CI:-} ]] # without it, continuous integration fails
        return
    fi
    (cd e2e/browser && npm ci --ignore-scripts --no-audit --no-fund --silent && npm run --silent typecheck && CHROMIUM_PATH=$program npx playwright test)
}

server_addresses() { # of the servers under test, for store tests and for staff accounts
    local password=
    while IFS='=' read -r key value; do
        case $key in
            AUTH_DATABASE_URL) export "$key=$value" ;;
            POSTGRES_PASSWORD) password=$value ;;
        esac
    done < <($stack env)
    export TEST_POSTGRES_URL="postgres://sidecart:$password@127.0.0.1:$((5532 + PORT_OFFSET))/postgres?sslmode=disable"
    export TEST_MONGODB_URL="mongodb://sidecart:$password@127.0.0.1:$((27117 + PORT_OFFSET))/?authMechanism=PLAIN&directConnection=true"
}

forget_addresses() { # or programs started from here would take them for their own
    unset AUTH_DATABASE_URL TEST_POSTGRES_URL TEST_MONGODB_URL
}

units() {
    go test -timeout 10m $(go list ./... | grep -v /e2e/api)
    # With the tags of their builds, whose packages they share.
    go test -C tools -tags ferretdb_no_mysql,ferretdb_no_sqlite -timeout 5m ./...
    go test -C tools/daprd -timeout 5m ./...
}

ready() { # until every service of dapr.yaml is, which start one after another
    local deadline=$((SECONDS + 120)) port
    for port in $(awk '$1 == "appPort:" {print $2}' dapr.yaml); do
        until curl -fsS -o /dev/null --max-time 2 "http://127.0.0.1:$port/readyz" 2>/dev/null; do
            if ((SECONDS > deadline)); then echo "the service at port $port is not ready"; return 1; fi
            sleep 1
        done
    done
}

# The Dapr developer's two ways, each to a paid order. They take dapr.yaml as it is, so they need its ports.
dev() {
    if [[ -e .run/env ]]; then
        echo "left out: there is a shop in .run, whose data the test would mix with its own"
        return
    fi
    (
        unset SIDECART_DIR PORT_OFFSET
        export BASE_URL=http://localhost:8080 SANDBOX_URL=http://localhost:8090
        pid=
        trap 'if [[ $? != 0 ]]; then keep_logs .run; fi; if [[ -n $pid ]]; then kill -TERM $pid; wait $pid || true; fi; $stack clean' EXIT
        buy() { ready && go test -count=1 -timeout 2m -run 'TestACustomersWholeJourney' ./e2e/api; }

        echo "make servers, then dapr run -f dapr.yaml"
        make --no-print-directory servers
        setsid .bin/dapr run -f dapr.yaml >.run/log/dapr-run.log 2>&1 &
        pid=$!
        buy || { grep -v '"msg":"request"' .run/log/dapr-run.log | tail -100; exit 1; }
        kill -TERM $pid && wait $pid || true
        pid=
        $stack down

        echo "make dev"
        setsid $stack dev >.run/log/dapr-dev.log 2>&1 &
        pid=$!
        buy || { grep -v '"msg":"request"' .run/log/dapr-dev.log | tail -100; exit 1; }
    )
}

# prove kills every part while orders flow, in an instance of its own: its books are checked from the first order on. Orders
# wait for seconds only, so that deadlines strike within the run, and neither mails nor the shop's door set the pace.
prove() {
    $stack clean
    SIDECART_SETTINGS="SIDECART_FAILPOINTS=$SIDECART_DIR/failpoints NOTIFICATION_SEND_RATE=200 GATEWAY_RATE_ADDRESS=0 \
        ORDERING_STOCK_TIMEOUT=40s ORDERING_PAYMENT_TIMEOUT=40s ORDERING_ACTION_TIMEOUT=20s INVENTORY_HOLD=100s" $stack up -detach
    # shellcheck disable=SC2086 # the flags are words
    go run ./e2e/prove ${PROVE:-}
}

# state tries the state store as services use it, through basket's sidecar.
state() {
    local token
    token=$($stack env | sed -n 's/^DAPR_API_TOKEN=//p')
    APP_ID=basket DAPR_API_TOKEN=$token DAPR_HTTP_PORT=$((3602 + PORT_OFFSET)) DAPR_GRPC_PORT=$((3702 + PORT_OFFSET)) \
        go test -count=1 -timeout 2m -run TestSidecarIsAStateStore ./internal/sidecar/sidecartest
}

# matrix is the whole API suite, and the proof, on each broker with each store. The components differ, and nothing else.
matrix() {
    local broker store line table="" failed=0
    for broker in ${BROKERS:-rabbitmq jetstream redis}; do
        for store in ${STATES:-redis postgresql sqlite}; do
            export BROKER=$broker STATE=$store
            printf '\n-- %s with %s (%ds)\n' "$broker" "$store" "$SECONDS"
            line=$(printf '%-10s %-10s' "$broker" "$store")
            for suite in api prove; do
                if "on_$suite"; then line+="  $suite passed"; else line+="  $suite FAILED"; failed=$((failed + 1)); fi
            done
            table+=$line$'\n'
            $stack clean
        done
    done
    unset BROKER STATE
    printf '\n%s' "$table"
    return $((failed > 0))
}

on_api() {
    $stack clean && $stack up -detach && (server_addresses && state && go test -count=1 -timeout 10m ./e2e/api)
}

on_prove() { # in a process of its own, where an error ends it: a condition's does not
    bash -c 'PARTS=faults PROVE="${PROVE:--orders 200}" tools/test.sh'
}

# profiles goes with a customer through the whole shop on other components and under mutual TLS, and tries every call that
# one app may or may not make to another.
profiles() {
    local setting
    for setting in PROFILE=embedded "SECURE=1 STATE=sqlite"; do
        echo "$setting"
        $stack clean
        # shellcheck disable=SC2086 # the settings are words
        env $setting $stack up -detach
        state
        go test -count=1 -timeout 3m -run 'TestACustomersWholeJourney' ./e2e/api
        # shellcheck disable=SC2086 # the settings are words
        env $setting go test -count=1 -timeout 5m ./e2e/mesh
        $stack down
    done
}

$stack clean
say "building"
names=(daprd node_modules storefront services process-compose mongo gateway)
if wanted lint; then names+=(golangci-lint); fi
if wanted dev; then names+=(dapr); fi
if wanted profiles; then names+=(nats sentry); fi
if wanted matrix; then names+=(nats); fi
$stack build "${names[@]}"
if wanted lint; then
    part "golangci-lint" .bin/golangci-lint run --allow-serial-runners ./...
    part "the storefront: lint, types, units" storefront
fi
if wanted units || wanted api || wanted browser; then
    say "starting the system under test"
    $stack up -detach
    server_addresses
fi
if wanted units; then part "units and stores" units; fi
if wanted api; then part "the public API" go test -count=1 -timeout 5m ./e2e/api; fi
if wanted browser; then part "the browser" browser; fi
forget_addresses
if wanted faults; then part "each part killed while orders flow" prove; fi
$stack down
if wanted profiles; then part "the other profiles" profiles; fi
if wanted dev; then part "dapr run" dev; fi
if wanted matrix; then part "every broker with every store" matrix; fi
say "done"
echo "$passed passed, 0 failed"
