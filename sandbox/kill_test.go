package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be the sandbox itself, so that it can be killed.
func TestMain(m *testing.M) {
	if os.Getenv("SANDBOX_TEST_PROCESS") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func startProcess(t *testing.T, addr, data string, shop *shop) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SANDBOX_TEST_PROCESS=1", "LOG_LEVEL=error", "SANDBOX_ADDR="+addr, "SANDBOX_DATA="+data, "SANDBOX_STRIPE_KEY="+testKey,
		"SANDBOX_STRIPE_WEBHOOK_URL="+shop.URL, "SANDBOX_STRIPE_WEBHOOK_SECRET="+testSecret)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		resp, err := http.Get("http://" + addr + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, 20*time.Second, 10*time.Millisecond)
	return cmd
}

// A sandbox killed in the middle of payments has forgotten none that it answered, captures each order once when the shop
// asks again, and still tells the shop of every one.
func TestKillInTheMiddleOfPayments(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().String()
	require.NoError(t, listener.Close())
	data, shop := filepath.Join(t.TempDir(), "sandbox.db"), newShop(t)
	s := &sandbox{t: t, shop: shop}
	s.Server = newShop(t).Server // only for its client; the sandbox is a process here
	s.URL = "http://" + addr

	process := startProcess(t, addr, data, shop)
	const orders, atOnce = 120, 6
	before := map[string]string{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for worker := range atOnce {
		wg.Go(func() {
			for i := worker; i < orders; i += atOnce {
				order := fmt.Sprintf("o%d", i)
				pi, err := s.stripe(0).V1PaymentIntents.Create(context.Background(), pay(order, "pm_card_visa"))
				mu.Lock()
				if err == nil {
					before[order] = pi.ID
				}
				if len(before) == orders/3 {
					_ = process.Process.Kill()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Less(t, len(before), orders, "the kill came too late to prove anything")
	_ = process.Wait()
	startProcess(t, addr, data, shop)
	client := s.stripe(0)
	for i := range orders {
		order := fmt.Sprintf("o%d", i)
		pi, err := client.V1PaymentIntents.Create(context.Background(), pay(order, "pm_card_visa"))
		require.NoError(t, err)
		if id, ok := before[order]; ok {
			require.Equal(t, id, pi.ID)
		}
		require.Equal(t, []string{"authorization", "capture"}, s.kinds(order))
	}
	require.Eventually(t, func() bool {
		heard := map[string]bool{}
		for _, e := range shop.received() {
			heard[e.GetObjectValue("metadata", "order_id")] = true
		}
		return len(heard) == orders
	}, 20*time.Second, 10*time.Millisecond)
}
