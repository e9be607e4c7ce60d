// Command bench loads a running shop as a bounded number of customers would, each doing one thing after another, and
// prints rates, percentiles and what each process spent. It measures; it asserts nothing.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/sidecart/sidecart/e2e/goods"
	"github.com/sidecart/sidecart/e2e/shop"
)

func main() {
	var (
		users = flag.String("users", "1,8,32", "numbers of customers at once, one round each")
		round = flag.Duration("for", 10*time.Second, "length of each round")
		past  = flag.Int("fill", 0, "orders of the past to add to the databases first")
		crowd = flag.Int("buyers", 1000, "how many want the last piece")
		only  = flag.String("only", "", "scenarios to run, separated by commas; all of them if it is empty")
		made  = flag.Int("goods", 0, "made-up products to have in the catalog first")
		file  = flag.Int("import", 0, "made-up products to import as a CSV file, and nothing else")
		index = flag.String("index", "", "numbers of products: measures catalog's index by itself with each, and no shop")
	)
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "bench loads the shop at BASE_URL (its sandbox at SANDBOX_URL, its processes by .bin/stack ps):")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.Arg(0) == helloCommand {
		if err := serveHello(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	http.DefaultTransport = loopback(http.DefaultTransport.(*http.Transport))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	work := func() error { return run(ctx, *users, *only, *past, *crowd, *made, *round) }
	switch {
	case *file > 0:
		work = func() error { return importFile(ctx, *file) }
	case *index != "":
		work = func() error { return measureIndexes(ctx, *index) }
	}
	if err := work(); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// scenario is one thing that a customer does. do returns named durations; cpu is what processes have used so far, see
// cpuByProcess.
type scenario struct {
	name string
	do   func(ctx context.Context, s *shop.Shopper) (map[string]time.Duration, error)
	cpu  func(ctx context.Context) map[string]time.Duration
}

func run(ctx context.Context, users, only string, past, buyers, made int, length time.Duration) error {
	var list shop.Products
	if err := shop.New().Do(ctx, http.MethodGet, "products?limit=48", nil, &list); err != nil {
		return fmt.Errorf("the shop at %s does not answer: %w", shop.BaseURL(), err)
	}
	variants, err := shop.InStock(ctx, 150)
	if err != nil {
		return err
	}
	hello, err := startHello(ctx)
	if err != nil {
		return err
	}
	if _, err := checkout(ctx, variants[0], variants[1]); err != nil { // the first one pays for connections and caches
		return err
	}
	if past > 0 {
		time.Sleep(10 * time.Second) // until the cursors of the feeds are past that order
		if err := fill(ctx, past); err != nil {
			return err
		}
	}
	if made > 0 {
		if err := stock(ctx, made); err != nil {
			return err
		}
	}
	rows, err := openRows(ctx)
	if err != nil {
		return err
	}
	defer rows.close()
	scenarios := []scenario{
		{helloCommand, func(ctx context.Context, _ *shop.Shopper) (map[string]time.Duration, error) {
			return timed("answer", func() error { return get(ctx, hello.address) })
		}, func(context.Context) map[string]time.Duration { return hello.cpu() }},
		reading("list", func() string { return "products?limit=24" }),
		reading("detail", func() string { return "products/" + list.Items[rand.IntN(len(list.Items))].Slug }),
		reading("search", func() string { return "products?" + searchFor(rand.IntN(50_000)) }),
		reading("suggest", func() string {
			words := goods.Query(rand.IntN(50_000))
			return "suggest?" + url.Values{"q": {words[:2+rand.IntN(len(words)-2)]}}.Encode()
		}),
		{"bare-rows", func(ctx context.Context, _ *shop.Shopper) (map[string]time.Duration, error) {
			return timed("committed", func() error { return rows.write(ctx) })
		}, cpuByProcess},
		{"checkout", func(ctx context.Context, _ *shop.Shopper) (map[string]time.Duration, error) {
			return checkout(ctx, variants[rand.IntN(len(variants))], variants[rand.IntN(len(variants))])
		}, cpuByProcess},
	}
	ways, err := doors(ctx)
	if err != nil {
		return err
	}
	scenarios = append(scenarios, ways...)
	for _, field := range strings.Split(users, ",") {
		n := 0
		if _, err := fmt.Sscanf(field, "%d", &n); err != nil || n < 1 || n > 1000 {
			return fmt.Errorf("-users: %q is not a number from 1 to 1000", field)
		}
		rounds := map[string]*round{}
		for _, sc := range scenarios {
			if only != "" && !slices.Contains(strings.Split(only, ","), sc.name) || sc.name == "bare-rows" && rows == nil {
				continue
			}
			if rounds[sc.name], err = load(ctx, sc, n, length); err != nil {
				return err
			}
			if sc.name == "list" || sc.name == "detail" {
				rounds[sc.name].printShare(rounds[helloCommand])
			}
		}
		printOverhead(rounds[throughTheDoor], rounds[straight])
	}
	if only == "" || slices.Contains(strings.Split(only, ","), "last-piece") {
		return lastPiece(ctx, variants[0].SKU, buyers, min(buyers, 256))
	}
	return nil
}

// checkout is a new guest's: two lines, address, payment, until the order page's stream says paid.
func checkout(ctx context.Context, variants ...shop.Variant) (map[string]time.Duration, error) {
	s := shop.New()
	for _, v := range variants {
		if _, err := s.Put(ctx, v.SKU, 1); err != nil {
			return nil, err
		}
	}
	c := shop.With("pm_card_visa")
	c.Email = shop.NewAccount().Email
	start := time.Now()
	order, err := s.Place(ctx, c, "")
	if err != nil {
		return nil, err
	}
	accepted := time.Since(start)
	if err := awaitPaid(ctx, s, order.ID); err != nil {
		return nil, err
	}
	return map[string]time.Duration{"place order": accepted, "until paid": time.Since(start)}, nil
}

func awaitPaid(ctx context.Context, s *shop.Shopper, id string) error {
	status, err := awaitEnd(ctx, s, id)
	if err == nil && status != "paid" {
		err = fmt.Errorf("order %s ended %s", id, status)
	}
	return err
}

// awaitEnd reads the order page's stream until the order is paid or has ended otherwise.
func awaitEnd(ctx context.Context, s *shop.Shopper, id string) (status string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, shop.BaseURL()+"/api/v1/orders/"+id+"/events", nil)
	if err != nil {
		return "", err
	}
	for _, c := range s.Cookies() {
		req.AddCookie(c)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		var order struct{ Status string }
		if !ok || json.Unmarshal([]byte(data), &order) != nil {
			continue
		}
		if order.Status != "placed" && order.Status != "reserved" {
			return order.Status, nil
		}
	}
	return "", fmt.Errorf("order %s: the stream ended before it was paid: %w", id, cmp.Or(lines.Err(), ctx.Err(), errors.New("end of stream")))
}

func at(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(q*float64(len(sorted)-1))].Round(10 * time.Microsecond)
}

func timed(name string, do func() error) (map[string]time.Duration, error) {
	start := time.Now()
	err := do()
	return map[string]time.Duration{name: time.Since(start)}, err
}

// reading is a scenario of somebody who reads something public, and has not been here before.
func reading(name string, path func() string) scenario {
	return scenario{name, func(ctx context.Context, _ *shop.Shopper) (map[string]time.Duration, error) {
		return timed("answer", func() error { return get(ctx, shop.BaseURL()+"/api/v1/"+path()) })
	}, cpuByProcess}
}

// get reads an answer to its end, packed as browsers take it. It is left so: unpacking is the visitor's work.
func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	return expect(req, http.StatusOK)
}
