// Command prove tries to break the promise of the shop: no lost order, no double charge, no oversold item, whatever part is
// killed. It kills parts of a running instance, at random moments and at the worst ones, while shoppers buy in every way
// and the payment provider misbehaves; then it lets everything come to rest and asks the databases and the provider's
// ledger what happened. docs/guarantees.md says how to read its output.
//
// It needs an instance to itself, which `make prove` starts, and which it knows by SIDECART_DIR.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/sidecart/sidecart/e2e/shop"
)

type settings struct {
	orders, kills, shoppers int
	seconds                 int
	seed                    uint64
	settle                  time.Duration
}

func main() {
	var s settings
	flag.IntVar(&s.orders, "orders", 400, "orders to place, at least")
	flag.IntVar(&s.kills, "kills", 0, "kills to deal, at least; 0 is one for every 20 orders. Each target is hit once in any case")
	flag.IntVar(&s.seconds, "seconds", 0, "seconds to go on for, at least")
	flag.Uint64Var(&s.seed, "seed", 0, "seed of the plan of kills and of what is bought; 0 takes one by chance")
	flag.IntVar(&s.shoppers, "shoppers", 24, "shoppers at once")
	flag.DurationVar(&s.settle, "settle", 5*time.Minute, "how long everything may take to come to rest after the last order")
	flag.Usage = func() {
		fmt.Fprint(os.Stderr, "prove kills parts of the instance in SIDECART_DIR while orders flow, and checks the books afterwards.\n"+
			"It exits with 0 if every promise was kept, 1 if one was broken, 2 if it could not find out.\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if s.seed == 0 {
		s.seed = rand.Uint64N(1_000_000_000) + 1
	}
	if s.kills == 0 {
		s.kills = s.orders / 20
	}
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 256
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	broken, err := prove(ctx, s)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "prove:", err)
		os.Exit(2)
	case broken:
		os.Exit(1)
	}
}

func prove(ctx context.Context, s settings) (broken bool, err error) {
	env, err := environment(ctx)
	if err != nil {
		return false, err
	}
	for name, key := range map[string]string{"BASE_URL": "SHOP_URL", "SANDBOX_URL": "SANDBOX_URL"} {
		if err := os.Setenv(name, env[key]); err != nil {
			return false, err
		}
	}
	running, err := processes(ctx)
	if err != nil {
		return false, err
	}
	if before, err := read(ctx, env, nil); err != nil {
		return false, err
	} else if len(before.orders) > 0 {
		return false, fmt.Errorf("this instance has %d orders already: the books can be checked from an empty one only", len(before.orders))
	}
	goods, err := browse(ctx)
	if err != nil {
		return false, err
	}
	faults, err := misbehave(ctx)
	if err != nil {
		return false, err
	}
	r := &report{settings: s, begun: time.Now()}
	r.killer = &killer{dir: env["SIDECART_DIR"], plan: newPlan(s.seed, running), missed: map[string]int{}}
	r.crowd = &crowd{shelf: goods, kinds: kinds(providers(ctx)), seed: s.seed, paid: r.killer.paid}
	fmt.Printf("seed %d: %d orders, %d kills among %d targets, %d shoppers, %d faults at the provider\n",
		s.seed, s.orders, s.kills, len(r.killer.plan.round), s.shoppers, len(faults))

	killing, cease := context.WithCancel(ctx)
	killed := make(chan error, 1)
	go func() {
		defer cease() // without kills there is nothing to prove
		killed <- r.killer.run(killing)
	}()
	progress, quiet := context.WithCancel(ctx)
	defer quiet()
	go r.progress(progress)
	r.crowd.run(ctx, s.shoppers, func(begun int64) bool {
		return killing.Err() == nil && (begun <= int64(s.orders) || r.killer.kills.Load() < int64(s.kills) || !r.killer.whole.Load() ||
			time.Since(r.begun) < time.Duration(s.seconds)*time.Second)
	})
	cease()
	if err := <-killed; err != nil {
		return false, err
	}
	quiet()
	r.flowed = time.Since(r.begun)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	r.settle(ctx, env)
	if ctx.Err() != nil {
		return false, fmt.Errorf("interrupted before everything came to rest: %w", ctx.Err())
	}
	r.print(os.Stdout)
	return len(r.violations) > 0, nil
}

// misbehave makes the provider lose, double, delay and reorder its webhooks, and answer late, twice or not at all.
func misbehave(ctx context.Context) ([]shop.Fault, error) {
	faults := []shop.Fault{
		{Operation: "webhook", Mode: "lose", Probability: .15},
		{Operation: "webhook", Mode: "repeat", Probability: .15, Copies: 3},
		{Operation: "webhook", Mode: "delay", Probability: .1, DelayMs: 4000},
		{Operation: "webhook", Mode: "reorder", Probability: .15, DelayMs: 3000},
		{Operation: "ses.send", Mode: "fail", Probability: .03, Status: 503},
		{Operation: "ses.send", Mode: "timeout", Probability: .01, DelayMs: 12_000},
	}
	for operation, share := range map[string]float64{
		"stripe.create": 1, "stripe.cancel": 1, "stripe.refund": 1, "stripe.get": .5,
		"paypal.create": 1, "paypal.capture": 1, "paypal.refund": 1, "paypal.get": .5, "paypal.token": .5,
	} {
		faults = append(faults,
			shop.Fault{Operation: operation, Mode: "timeout", Probability: .02 * share, DelayMs: 9000},
			shop.Fault{Operation: operation, Mode: "late", Probability: .05 * share, DelayMs: 2500},
			shop.Fault{Operation: operation, Mode: "twice", Probability: .03 * share},
			shop.Fault{Operation: operation, Mode: "fail", Probability: .03 * share, Status: 503},
			shop.Fault{Operation: operation, Mode: "fail", Probability: .01 * share, Status: 429},
		)
	}
	slices.SortStableFunc(faults, func(a, b shop.Fault) int { return cmp.Compare(a.Operation, b.Operation) })
	document, err := json.Marshal(map[string]any{"faults": faults})
	if err != nil {
		return nil, err
	}
	return faults, shop.SetFaults(ctx, string(document))
}

// providers are those that the shop offers its customers.
func providers(ctx context.Context) []string {
	var offered struct{ Items []struct{ Provider string } }
	if err := shop.New().Do(ctx, http.MethodGet, "checkout/payment-methods", nil, &offered); err != nil || len(offered.Items) == 0 {
		return []string{"stripe"}
	}
	var names []string
	for _, item := range offered.Items {
		names = append(names, item.Provider)
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// settle ends all trouble and reads the books until they are in order, or have had their time for it.
func (r *report) settle(ctx context.Context, env map[string]string) {
	begun := time.Now()
	fmt.Printf("%4.0fs  no more trouble; waiting for rest\n", time.Since(r.begun).Seconds())
	for deadline := begun.Add(time.Minute); ; {
		set, err := shop.Faults(ctx)
		if err == nil {
			r.struck = set.Faults
			err = shop.SetFaults(ctx, "")
		}
		if err == nil {
			break
		}
		if time.Now().After(deadline) || !sleep(ctx, time.Second) {
			r.violations = append(r.violations, violation{"", "comes back", "the sandbox: " + err.Error()})
			break
		}
	}
	var found []violation
	for said := time.Now(); ; {
		b, err := read(ctx, env, r.crowd.orders)
		if err != nil {
			found = []violation{{"", "comes back", err.Error()}}
		} else {
			r.books, found = b, b.violations()
		}
		if len(found) == 0 || time.Since(begun) > r.settings.settle || ctx.Err() != nil {
			break
		}
		if time.Since(said) > 15*time.Second {
			said = time.Now()
			fmt.Printf("%4.0fs  %d things not in order yet, such as: %s\n", time.Since(r.begun).Seconds(), len(found), found[0])
		}
		sleep(ctx, 2*time.Second)
	}
	r.settled = time.Since(begun)
	r.violations = slices.Concat(r.violations, r.crowd.failed, r.killer.failed, found)
}
