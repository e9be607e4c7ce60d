package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkPayments is what a shop under load asks for: one captured payment and its webhook, each saved to disk.
func BenchmarkPayments(b *testing.B) {
	slog.SetLogLoggerLevel(slog.LevelError)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	s := openSandbox(b, filepath.Join(b.TempDir(), "sandbox.db"), newShop(b))
	client := s.stripe(0)
	var n atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := client.V1PaymentIntents.Create(context.Background(), pay(fmt.Sprint("order-", n.Add(1)), "pm_card_visa"))
			require.NoError(b, err)
		}
	})
}
