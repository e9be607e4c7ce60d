package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/outbox"
)

// deliveries is a broker that hands over what the test gives it, and collects what inventory tells.
type deliveries struct {
	handlers chan func(context.Context, []events.Envelope) error // of order-placed
	mu       sync.Mutex
	told     map[string]map[string]bool // subjects by topic; a fact may be published twice
	last     time.Time                  // when the last new one was
}

func (d *deliveries) Publish(_ context.Context, topic string, facts []events.Envelope) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range facts {
		if d.told[topic] == nil {
			d.told[topic] = map[string]bool{}
		}
		if !d.told[topic][e.Subject] {
			d.told[topic][e.Subject], d.last = true, time.Now()
		}
	}
	return nil
}

func (d *deliveries) Subscribe(ctx context.Context, topic string, handle func(context.Context, []events.Envelope) error) error {
	if topic == events.TopicOrderPlaced {
		d.handlers <- handle
	}
	<-ctx.Done()
	return nil
}

func (d *deliveries) Call(context.Context, string, string, string, any, any) error {
	return errors.New("ordering is away, so its feed brings nothing")
}

// listen runs inbox and relay on a broker of the test's own until the test ends, as ctx does then.
func (f *fixture) listen() (bus *deliveries, ctx context.Context) {
	bus = &deliveries{handlers: make(chan func(context.Context, []events.Envelope) error, 1), told: map[string]map[string]bool{}}
	ctx, stop := context.WithCancel(f.Context())
	var tasks sync.WaitGroup
	for _, task := range outbox.Run(f.stock.db, bus, app, f.subscriptions()...) {
		tasks.Go(func() { _ = task(ctx) })
	}
	f.Cleanup(func() { stop(); tasks.Wait() })
	return bus, ctx
}

// Five thousand want the last piece at the same moment, through the inbox and the relay as they run: one gets it, and every
// other one is told so. How long the last of them waits is logged; `make bench` measures it in the whole shop.
func TestFiveThousandBuyersOfTheLastPiece(t *testing.T) {
	f := newFixture(t, pieces("LAST", 1))
	bus, ctx := f.listen()
	handle := <-bus.handlers

	orders := make([]string, 5000)
	for i := range orders {
		orders[i] = newOrder()
	}
	start := time.Now()
	var group sync.WaitGroup
	for message := range slices.Chunk(orders, 10) { // as many orders share a message when they are placed at once
		facts := make([]events.Envelope, len(message))
		for i, id := range message {
			facts[i] = events.Envelope{ID: "placed-" + id, Type: events.TopicOrderPlaced, Subject: id,
				Data: fmt.Appendf(nil, `{"orderId":%q,"lines":[{"sku":"LAST","quantity":1}]}`, id)}
		}
		group.Go(func() {
			for handle(ctx, facts) != nil { // as the broker redelivers
			}
		})
	}
	group.Wait()
	decided := time.Since(start)
	told := func() (reserved, rejected int) {
		bus.mu.Lock()
		defer bus.mu.Unlock()
		return len(bus.told[events.TopicStockReserved]), len(bus.told[events.TopicStockRejected])
	}
	require.Eventually(t, func() bool { reserved, rejected := told(); return reserved+rejected >= len(orders) }, 2*time.Minute, 5*time.Millisecond)
	reserved, rejected := told()
	require.Equal(t, [2]int{1, 4999}, [2]int{reserved, rejected})
	require.Equal(t, [2]int64{1, 1}, f.counts("LAST"))
	require.Len(t, f.toldOf("LAST"), 2, "it came, and it is gone")
	t.Logf("5000 decided after %v, the last of them told after %v", decided.Round(time.Millisecond), bus.last.Sub(start).Round(time.Millisecond))
}
