package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gopkg.in/yaml.v3"

	"github.com/sidecart/sidecart/e2e/shop"
)

// openReplica starts another gateway beside the running one, at the same sidecar, and returns its public address.
func openReplica(ctx context.Context, t *testing.T) (address string, kill func()) {
	t.Helper()
	text, err := os.ReadFile("../../dapr.yaml")
	require.NoError(t, err)
	var file struct {
		Apps []struct {
			AppID string `yaml:"appID"`
			HTTP  int    `yaml:"daprHTTPPort"`
			GRPC  int    `yaml:"daprGRPCPort"`
		} `yaml:"apps"`
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	offset, _ := strconv.Atoi(os.Getenv("PORT_OFFSET"))
	free := func() int {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer listener.Close()
		return listener.Addr().(*net.TCPAddr).Port
	}
	public := free()
	program := exec.CommandContext(context.WithoutCancel(ctx), "../../.bin/gateway")
	program.Env = []string{
		"SIDECART_MODE=local", "APP_ID=gateway", fmt.Sprintf("APP_PORT=%d", free()), fmt.Sprintf("GATEWAY_ADDR=127.0.0.1:%d", public),
		"APP_API_TOKEN=" + setting(t, "APP_API_TOKEN"), "DAPR_API_TOKEN=" + setting(t, "DAPR_API_TOKEN"), "LOG_LEVEL=error",
	}
	for _, app := range file.Apps {
		if app.AppID == "gateway" {
			program.Env = append(program.Env, fmt.Sprintf("DAPR_HTTP_PORT=%d", app.HTTP+offset), fmt.Sprintf("DAPR_GRPC_PORT=%d", app.GRPC+offset))
		}
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "gateway.log"))
	require.NoError(t, err)
	program.Stderr = log
	require.NoError(t, program.Start())
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	kill = func() {
		_ = program.Process.Signal(syscall.SIGKILL)
		<-ended
		ended <- nil
	}
	t.Cleanup(kill)
	address = fmt.Sprintf("http://localhost:%d", public)
	require.Eventually(t, func() bool {
		return shop.New().At(address).Do(ctx, http.MethodGet, "categories", nil, nil) == nil
	}, time.Minute, 100*time.Millisecond, "the second gateway does not answer")
	return address, kill
}

// Tabs whose requests reach two gateways exchange one refresh token twice at the same moment. That is no theft; showing it
// again later is, and ends the session for both parties.
func TestTwoGatewaysRenewOneSessionAndATheftEndsIt(t *testing.T) {
	instanceDir(t)
	ctx := setup(t)
	second, _ := openReplica(ctx, t)
	s, account := signedIn(ctx, t)
	stolen := cookieOf(t, s, "__Host-refresh")
	for range 3 {
		s.SetCookie(&http.Cookie{Name: "__Host-access", Value: "", Path: "/", Secure: true, MaxAge: -1})
		var tabs errgroup.Group
		for i := range 20 {
			tab := s
			if i%2 == 1 {
				tab = s.At(second)
			}
			tabs.Go(func() error { return tab.Do(ctx, http.MethodGet, "auth/me", nil, nil) })
		}
		require.NoError(t, tabs.Wait())
	}
	require.NotEqual(t, stolen, cookieOf(t, s, "__Host-refresh"))
	require.NoError(t, s.Do(ctx, http.MethodPost, "auth/refresh", nil, nil), "nobody was taken for a thief")

	third, _ := openReplica(ctx, t) // which remembers no renewal
	thief := shop.New().At(third)
	thief.SetCookie(&http.Cookie{Name: "__Host-refresh", Value: stolen, Path: "/", Secure: true})
	requireProblem(t, thief.Do(ctx, http.MethodGet, "auth/me", nil, nil), http.StatusUnauthorized, "session-expired")
	requireProblem(t, s.Do(ctx, http.MethodPost, "auth/refresh", nil, nil), http.StatusUnauthorized, "session-expired")
	_, err := shop.AwaitMail(ctx, account.Email, "signed one of your devices out")
	require.NoError(t, err)
}

// A shopper whose gateway is killed goes on at another one with at most one retry.
func TestAKilledGatewayCostsOneRetry(t *testing.T) {
	instanceDir(t)
	ctx := setup(t)
	second, kill := openReplica(ctx, t)
	s, _ := signedIn(ctx, t)
	there := s.At(second)
	variants, err := shop.InStock(ctx, 1)
	require.NoError(t, err)
	_, err = there.Put(ctx, variants[0].SKU, 2)
	require.NoError(t, err)
	kill()
	_, err = there.Put(ctx, variants[0].SKU, 3)
	require.Error(t, err)
	basket, err := s.Put(ctx, variants[0].SKU, 3)
	require.NoError(t, err)
	require.Equal(t, 3, basket.Count)
}

func cookieOf(t *testing.T, s *shop.Shopper, name string) string {
	t.Helper()
	for _, c := range s.Cookies() {
		if c.Name == name {
			return c.Value
		}
	}
	require.Fail(t, "no cookie "+name)
	return ""
}
