package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sidecart/sidecart/e2e/shop"
)

// The two ways to one answer of ordering: as a browser gets it, with a cookie, through the gateway and two sidecars; and
// straight from the service's port, as only its own sidecar may.
const (
	throughTheDoor = "by-gateway"
	straight       = "direct"

	devicesOfDoors = 60
)

// doors are scenarios of a customer who looks at her orders in both ways. They are left out where the shop was not started
// by the runner beside us.
func doors(ctx context.Context) ([]scenario, error) {
	address, token := addressOf(ctx, "ordering"), environment(ctx)["APP_API_TOKEN"]
	if address == "" || token == "" {
		return nil, nil
	}
	devices := make([]*shop.Shopper, devicesOfDoors) // the gateway limits the rate of each
	account := shop.NewAccount()
	for i := range devices {
		devices[i] = shop.New()
		signIn := devices[i].Login
		if i == 0 {
			signIn = devices[i].Register
		}
		if err := signIn(ctx, account); err != nil {
			return nil, fmt.Errorf("a customer for the gateway's overhead: %w", err)
		}
	}
	anyDevice := func() *shop.Shopper { return devices[rand.IntN(len(devices))] }
	return []scenario{
		{throughTheDoor, func(ctx context.Context, _ *shop.Shopper) (map[string]time.Duration, error) {
			customer := anyDevice()
			return timed("answer", func() error { return customer.Do(ctx, http.MethodGet, "orders?limit=1", nil, nil) })
		}, cpuByProcess},
		{straight, func(ctx context.Context, _ *shop.Shopper) (map[string]time.Duration, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/orders?limit=1", nil)
			if err != nil {
				return nil, err
			}
			req.Header.Set("Dapr-Api-Token", token)
			req.Header.Set("Dapr-Caller-App-Id", "gateway")
			for _, c := range anyDevice().Cookies() {
				if c.Name == "__Host-access" {
					req.Header.Set("Authorization", "Bearer "+c.Value)
				}
			}
			return timed("answer", func() error { return expect(req, http.StatusOK) })
		}, cpuByProcess},
	}, nil
}

// printOverhead compares the medians of the two ways.
func printOverhead(through, past *round) {
	if through == nil || past == nil {
		return
	}
	if by, without := through.median, past.median; by > 0 && without > 0 {
		fmt.Printf("  the gateway and two sidecars take %.1f times a direct call, %s more\n", float64(by)/float64(without), (by - without).Round(10*time.Microsecond))
	}
}

// expect reads an answer to its end. One with another status is an error.
func expect(req *http.Request, status int) error {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != status {
		err = fmt.Errorf("%s answers %s", req.URL, resp.Status)
	}
	return errors.Join(err, resp.Body.Close())
}

// addressOf is where a program of the runner beside us serves its own port.
func addressOf(ctx context.Context, name string) string {
	out, err := exec.CommandContext(ctx, filepath.Join(".bin", "stack"), "ps").Output()
	if err != nil {
		return ""
	}
	var list []struct{ Name, Address string }
	if json.Unmarshal(out, &list) != nil {
		return ""
	}
	for _, p := range list {
		if p.Name == name {
			return p.Address
		}
	}
	return ""
}

// environment is what the runner's instance is set to.
func environment(ctx context.Context) map[string]string {
	set := map[string]string{}
	out, err := exec.CommandContext(ctx, filepath.Join(".bin", "stack"), "env").Output()
	if err != nil {
		return set
	}
	for line := range strings.Lines(string(out)) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found {
			set[name] = value
		}
	}
	return set
}
