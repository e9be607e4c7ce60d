package mesh

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dapr/dapr/pkg/proto/runtime/v1"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"gopkg.in/yaml.v3"

	"github.com/sidecart/sidecart/e2e/shop"
	"github.com/sidecart/sidecart/events"
)

const root = "../.."

func table(t *testing.T) []Call {
	t.Helper()
	calls, err := Calls()
	require.NoError(t, err)
	return calls
}

// instance is the running shop as somebody knows it who has broken into one of its apps: every sidecar's address and the
// token that its app shows it.
type instance struct {
	dir    string
	token  string
	secure bool // started with SECURE=1
	apps   map[string]ports
}

type ports struct {
	App      int `yaml:"appPort"`
	HTTP     int `yaml:"daprHTTPPort"`
	GRPC     int `yaml:"daprGRPCPort"`
	Internal int `yaml:"daprInternalGRPCPort"`
}

// running finds the instance of PORT_OFFSET and SIDECART_DIR, or skips the test.
func running(t *testing.T) instance {
	t.Helper()
	shop.Require(t)
	in := instance{secure: os.Getenv("SECURE") != "", apps: map[string]ports{}}
	dir := cmp.Or(os.Getenv("SIDECART_DIR"), ".run")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(root, dir)
	}
	in.dir = dir
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	require.NoError(t, err, "the sidecars' token is in the directory of the instance: SIDECART_DIR")
	for line := range strings.Lines(string(env)) {
		if token, found := strings.CutPrefix(strings.TrimSpace(line), "DAPR_API_TOKEN="); found {
			in.token = token
		}
	}
	require.NotEmpty(t, in.token)
	offset := 0
	if text := os.Getenv("PORT_OFFSET"); text != "" {
		offset, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	text, err := os.ReadFile(filepath.Join(root, "dapr.yaml"))
	require.NoError(t, err)
	var file struct {
		Apps []struct {
			AppID string `yaml:"appID"`
			ports `yaml:",inline"`
		} `yaml:"apps"`
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	for _, app := range file.Apps {
		in.apps[app.AppID] = ports{app.App + offset, app.HTTP + offset, app.GRPC + offset, app.Internal + offset}
	}
	require.ElementsMatch(t, Apps, slices.Collect(maps.Keys(in.apps)))
	return in
}

// answer is what came back, and whose word it is.
type answer struct {
	status   int
	code     string // of a problem document
	sidecars string // the error code of a sidecar that answered in the callee's place
	message  string
}

func (in instance) send(t *testing.T, port int, method, path, body string, header ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode}
	if resp.Header.Get("Content-Type") == "text/event-stream" { // which may never end
		return a
	}
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var document struct{ Code, ErrorCode, Message string }
	if json.Unmarshal(text, &document) == nil {
		a.code, a.sidecars, a.message = document.Code, document.ErrorCode, document.Message
	}
	return a
}

// invoke calls a service through the caller's own sidecar, without a customer's token.
func (in instance) invoke(t *testing.T, caller, callee, method, path string, header ...string) answer {
	return in.send(t, in.apps[caller].HTTP, method, path, "{}", append(header,
		"Dapr-App-Id", callee, "Dapr-Api-Token", in.token, "Idempotency-Key", uuid.NewString())...)
}

// reached reports whether the callee's route was there for the caller; what it then said of the missing token or the
// empty body is another matter.
func (a answer) reached() bool {
	if a.status == http.StatusForbidden && a.code == "" { // a sidecar's to HEAD, which has no body to say so
		return false
	}
	return a.sidecars == "" && a.code != "no-such-route" && a.code != "no-such-feed" && a.status != http.StatusMethodNotAllowed
}

var variable = regexp.MustCompile(`\{\w+\}`)

// address is a route's path with something in its variables that nobody has.
func address(c Call, caller string) string {
	if c.Path == "/outbox" {
		return c.Path + "?topics=" + strings.Join(topicsOf(c.Callee, caller), ",")
	}
	return variable.ReplaceAllString(c.Path, uuid.NewString())
}

func TestEveryCallIsAllowedOrRefusedAsWritten(t *testing.T) {
	in := running(t)
	allowed, refused := 0, 0
	for _, c := range table(t) {
		if c.Soon {
			continue
		}
		for _, caller := range without(Apps, c.Callee) {
			want := slices.Contains(c.Callers, caller) || c.Open && !in.secure
			if c.Open && in.secure { // the sidecar's list knows no more of a path than its first part
				listed, err := AllowList(root, c.Callee)
				require.NoError(t, err)
				want = listed[caller+" "+c.Method+" "+c.Segment()]
			}
			got := in.invoke(t, caller, c.Callee, c.Method, address(c, caller))
			require.Equal(t, want, got.reached(), "%s calls %s: %+v", caller, c, got)
			if want {
				allowed++
			} else {
				refused++
			}
		}
	}
	t.Logf("%d calls were allowed and %d refused, as written", allowed, refused)
}

// topicsOf are those that the caller hears from the callee, or any of the callee's if it hears none.
func topicsOf(callee, caller string) (topics []string) {
	all := []string{}
	for topic, route := range events.Routes {
		if route.Producer == callee {
			all = append(all, topic)
			if slices.Contains(route.Consumers, caller) {
				topics = append(topics, topic)
			}
		}
	}
	if topics == nil {
		return all
	}
	return topics
}

// A sidecar says who its app is, but hands on what the app says of itself, too.
func TestNobodyPassesForAnother(t *testing.T) {
	in := running(t)
	for _, c := range table(t) {
		if c.Open || c.Soon {
			continue
		}
		for _, caller := range without(Apps, c.Callee) {
			if slices.Contains(c.Callers, caller) {
				continue
			}
			for _, claimed := range append([]string{""}, c.Callers...) {
				for range 4 { // which of the two words is the first is a matter of chance
					got := in.invoke(t, caller, c.Callee, c.Method, address(c, claimed), "Dapr-Caller-App-Id", claimed)
					require.False(t, got.reached(), "%s passes for %q and calls %s: %+v", caller, claimed, c, got)
				}
			}
		}
	}
}

// A feed tells a consumer what is for it, and nothing else that the producer tells.
func TestAFeedIsForItsTopicsHearersOnly(t *testing.T) {
	in := running(t)
	for topic, route := range events.Routes {
		for _, caller := range without(Apps, route.Producer) {
			got := in.invoke(t, caller, route.Producer, http.MethodGet, "/outbox?topics="+topic)
			require.Equal(t, slices.Contains(route.Consumers, caller), got.reached(), "%s reads %s: %+v", caller, topic, got)
		}
	}
}

// Facts come by streams that each app opens itself: there is no route by which anybody could hand it one.
func TestNobodyCanCallAnEventHandler(t *testing.T) {
	in := running(t)
	for topic, route := range events.Routes {
		for _, callee := range route.Consumers {
			for _, path := range []string{"/" + topic, "/events/" + topic, "/dapr/subscribe", "/" + topic + "/bulk"} {
				caller := without(Apps, callee)[0]
				for _, method := range []string{http.MethodPost, http.MethodGet} {
					got := in.invoke(t, caller, callee, method, path)
					require.False(t, got.reached(), "%s %s %s: %+v", callee, method, path, got)
				}
			}
		}
	}
}

func TestEveryTopicIsToldByItsProducerOnly(t *testing.T) {
	in := running(t)
	for topic, route := range events.Routes {
		for _, app := range Apps {
			// Not a batch of facts, so its consumers drop it.
			got := in.send(t, in.apps[app].HTTP, http.MethodPost, "/v1.0/publish/pubsub-"+topic+"/"+topic, `{}`, "Dapr-Api-Token", in.token)
			if app == route.Producer {
				require.Equal(t, http.StatusNoContent, got.status, "%s tells %s: %+v", app, topic, got)
				continue
			}
			require.Contains(t, []string{"ERR_PUBSUB_FORBIDDEN", "ERR_PUBSUB_NOT_FOUND"}, got.sidecars, "%s tells %s: %+v", app, topic, got)
		}
	}
}

func TestEveryTopicIsHeardByItsConsumersOnly(t *testing.T) {
	in := running(t)
	var group sync.WaitGroup
	for _, app := range Apps {
		conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", in.apps[app].GRPC), grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		for topic, route := range events.Routes {
			if slices.Contains(route.Consumers, app) {
				continue // a second subscriber would take facts from the true one, whose own subscription is the proof
			}
			group.Go(func() {
				if err := in.subscribe(t, conn, topic); err == nil {
					t.Errorf("%s may hear %s", app, topic)
				}
			})
		}
	}
	group.Wait()
}

// subscribe tries to open a stream of a topic and leaves it at once.
func (in instance) subscribe(t *testing.T, conn *grpc.ClientConn, topic string) error {
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "dapr-api-token", in.token), 30*time.Second)
	defer cancel()
	stream, err := runtime.NewDaprClient(conn).SubscribeTopicEventsAlpha1(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(&runtime.SubscribeTopicEventsRequestAlpha1{
		SubscribeTopicEventsRequestType: &runtime.SubscribeTopicEventsRequestAlpha1_InitialRequest{
			InitialRequest: &runtime.SubscribeTopicEventsRequestInitialAlpha1{PubsubName: "pubsub-" + topic, Topic: topic},
		},
	}); err != nil {
		return err
	}
	_, err = stream.Recv()
	return err
}

// The apps' own word that they hear what they are to hear: without it the test above would pass with no subscriptions at all.
func TestEveryConsumerHasSubscribed(t *testing.T) {
	in := running(t)
	for topic, route := range events.Routes {
		for _, app := range route.Consumers {
			if slices.Contains(events.Patient[topic], app) {
				continue
			}
			require.Eventually(t, func() bool { return hasSubscribed(t, filepath.Join(in.dir, "log", app+".log"), topic) },
				30*time.Second, 200*time.Millisecond, "%s hears %s", app, topic)
		}
	}
}

func hasSubscribed(t *testing.T, path, topic string) bool {
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.Contains(lines.Text(), `"subscribed"`) && strings.Contains(lines.Text(), `"`+topic+`"`) {
			return true
		}
	}
	return false
}

func TestEveryStoreIsForItsOwner(t *testing.T) {
	in := running(t)
	for _, app := range Apps {
		for _, owner := range append(slices.Clone(Apps), "infrastructure") {
			got := in.send(t, in.apps[app].HTTP, http.MethodGet, "/v1.0/secrets/"+owner+"-secrets/DATABASE_URL", "", "Dapr-Api-Token", in.token)
			if owner == "infrastructure" {
				got = in.send(t, in.apps[app].HTTP, http.MethodGet, "/v1.0/secrets/infrastructure/REDIS_PASSWORD", "", "Dapr-Api-Token", in.token)
			}
			// basket keeps its baskets in the state store and gateway keeps nothing, so they have no secrets.
			want := app == owner && app != "basket" && app != "gateway"
			require.Equal(t, want, got.status == http.StatusOK, "%s reads the secrets of %s: %+v", app, owner, got)
		}
		got := in.send(t, in.apps[app].HTTP, http.MethodGet, "/v1.0/state/statestore/nothing", "", "Dapr-Api-Token", in.token)
		require.Equal(t, slices.Contains([]string{"auth", "basket"}, app), got.sidecars == "", "%s reads state: %+v", app, got)
	}
}

// Of those that may, each has keys of its own: the same name is another key.
func TestStateIsApart(t *testing.T) {
	in := running(t)
	key := uuid.NewString()
	got := in.send(t, in.apps["basket"].HTTP, http.MethodPost, "/v1.0/state/statestore",
		fmt.Sprintf(`[{"key":%q,"value":"basket's","metadata":{"ttlInSeconds":"60"}}]`, key), "Dapr-Api-Token", in.token)
	require.Equal(t, http.StatusNoContent, got.status, "%+v", got)
	for app, want := range map[string]int{"basket": http.StatusOK, "auth": http.StatusNoContent} {
		got := in.send(t, in.apps[app].HTTP, http.MethodGet, "/v1.0/state/statestore/"+key, "", "Dapr-Api-Token", in.token)
		require.Equal(t, want, got.status, "%s reads basket's key: %+v", app, got)
		got = in.send(t, in.apps[app].HTTP, http.MethodGet, "/v1.0/state/statestore/basket||"+key, "", "Dapr-Api-Token", in.token)
		require.NotEqual(t, http.StatusOK, got.status, "%s reads basket's key by its full name: %+v", app, got)
	}
}

func TestWithoutTokensNothingIsServed(t *testing.T) {
	in := running(t)
	for app, p := range in.apps {
		for _, token := range []string{"", "guess"} {
			got := in.send(t, p.HTTP, http.MethodGet, "/v1.0/metadata", "", "Dapr-Api-Token", token)
			require.Equal(t, http.StatusUnauthorized, got.status, "the sidecar of %s", app)
			got = in.send(t, p.App, http.MethodGet, "/outbox", "", "Dapr-Api-Token", token, "Dapr-Caller-App-Id", "gateway")
			require.Equal(t, answer{status: http.StatusForbidden, code: "not-through-the-sidecar"}, got, app)
		}
		for _, path := range []string{"/livez", "/readyz", "/metrics"} {
			require.Equal(t, http.StatusOK, in.send(t, p.App, http.MethodGet, path, "").status, "%s %s", app, path)
		}
	}
}

// What is not the public door listens on loopback only.
func TestNothingElseIsHeardOutside(t *testing.T) {
	in := running(t)
	addresses, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range addresses {
		network, ok := a.(*net.IPNet)
		if !ok || network.IP.IsLoopback() || network.IP.To4() == nil {
			continue
		}
		for app, p := range in.apps {
			for _, port := range []int{p.App, p.HTTP, p.GRPC, p.Internal} {
				conn, err := net.DialTimeout("tcp", net.JoinHostPort(network.IP.String(), strconv.Itoa(port)), 2*time.Second)
				if err == nil {
					conn.Close()
				}
				require.Error(t, err, "%s listens at %s:%d", app, network.IP, port)
			}
		}
	}
}

// With certificates a sidecar lets nobody in who only says that he is another sidecar.
func TestASidecarWithoutACertificateIsRefused(t *testing.T) {
	in := running(t)
	if !in.secure {
		t.Skip("sidecars know one another by certificates under SECURE=1")
	}
	for app, p := range in.apps {
		conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", p.Internal), grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err = conn.Invoke(ctx, "/dapr.proto.internals.v1.ServiceInvocation/CallLocal", &runtime.GetMetadataRequest{}, &runtime.GetMetadataResponse{})
		cancel()
		require.Error(t, err, app)
		require.NotContains(t, err.Error(), "unexpected message", app)
		_ = conn.Close()
	}
}
