package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

// stocked is a desk beside a stock, a catalogue and customers with wishes.
type stocked struct {
	*desk
	mu        sync.Mutex
	available map[string]int64
	wishers   []string // of every SKU, by id
	unwilling map[string]bool
	away      map[string]bool // services that do not answer
	pages     int             // of wishers, asked for
}

func newStocked(t *testing.T, wishers ...string) *stocked {
	s := &stocked{desk: newDesk(t), available: map[string]int64{}, wishers: wishers, unwilling: map[string]bool{}, away: map[string]bool{}}
	s.answer = func(app, path string) (any, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		method, path, _ := strings.Cut(path, " ")
		u, err := url.Parse(path)
		require.NoError(t, err)
		require.Equal(t, "GET", method)
		if s.away[app] {
			return nil, problem.New(problem.Unavailable, "service-unavailable", "Away.")
		}
		switch skus := strings.Split(u.Query().Get("skus"), ","); app + " " + u.Path {
		case "inventory /stock":
			var items []map[string]any
			for _, sku := range skus {
				items = append(items, map[string]any{"sku": sku, "available": s.available[sku]})
			}
			return map[string]any{"items": items}, nil
		case "catalog /variants":
			items := []offer{}
			for _, sku := range skus {
				if sku != "GONE" {
					items = append(items, offer{sku, "slug-of-" + sku, "The " + sku, money.Must(1250, "EUR")})
				}
			}
			return web.Page[offer]{Items: items}, nil
		case "client /wishers":
			s.pages++
			require.NotEmpty(t, u.Query().Get("before"))
			page := web.Page[wisher]{Items: []wisher{}}
			for _, id := range s.wishers {
				if id > u.Query().Get("cursor") && len(page.Items) < 3 {
					page.Items = append(page.Items, wisher{id})
				}
			}
			if len(page.Items) == 3 {
				page.NextCursor = page.Items[2].CustomerID
			}
			return page, nil
		}
		if id, ok := strings.CutPrefix(u.Path, "/accounts/"); ok && app == "auth" {
			return account{id + "@example.com", strings.ToUpper(id)}, nil
		}
		if id, ok := strings.CutPrefix(u.Path, "/customers/"); ok && app == "client" {
			id = strings.TrimSuffix(id, "/preferences")
			return map[string]any{"currency": "EUR", "consents": map[string]any{"backInStock": map[string]bool{"granted": !s.unwilling[id]}},
				"unsubscribe": map[string]string{"backInStock": "backInStock." + id + ".SECRET"}}, nil
		}
		return nil, problem.New(problem.NotFound, "no-such-route", "")
	}
	return s
}

func (s *stocked) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// startRestocker tells wishers until the test ends.
func (s *stocked) startRestocker(delay time.Duration) {
	ctx, cancel := context.WithCancel(s.Context())
	r := &restocker{s.writer.store, s.writer.owners, delay}
	var task sync.WaitGroup
	task.Go(func() { _ = r.background(ctx) })
	s.Cleanup(func() { cancel(); task.Wait() })
}

// told hears that a SKU has pieces, or has none.
func (s *stocked) told(sku string, available, version int64) {
	fact := events.StockAvailabilityChanged{SKU: sku, Available: available, InStock: available > 0, Version: version}
	s.tellAt(fmt.Sprintf("%s-%d", sku, version), fact, time.Now().Add(-time.Second))
}

func (s *stocked) tellAt(id string, fact events.Fact, at time.Time) {
	data, err := json.Marshal(fact)
	require.NoError(s, err)
	i := slices.IndexFunc(subscriptions(), func(sub outbox.Subscription) bool { return sub.Topic == fact.Topic() })
	require.NoError(s, postgres.InTx(s.Context(), s.pool, func(tx pgx.Tx) error {
		return subscriptions()[i].Apply(s.Context(), tx, events.Envelope{ID: id, Type: fact.Topic(), Time: at, Data: data})
	}))
}

// owed are the recipients of mails about a SKU, sorted.
func (s *stocked) owed(sku string) (recipients []string) {
	for _, m := range s.messages() {
		if m.About == sku {
			recipients = append(recipients, m.Recipient)
		}
	}
	slices.Sort(recipients)
	return recipients
}

func (s *stocked) waiting(sku string) (waiting bool) {
	require.NoError(s, s.pool.QueryRow(s.Context(), `select waiting from restocks where sku = $1`, sku).Scan(&waiting))
	return waiting
}

func (s *stocked) until(what string, done func() bool) {
	s.Helper()
	require.Eventually(s, done, 30*time.Second, 20*time.Millisecond, what)
}

func TestWhoWishesForItIsToldThatItIsBack(t *testing.T) {
	s := newStocked(t, "a", "b", "c", "d", "e", "f", "g")
	s.unwilling["c"] = true // has changed their mind since client listed them
	s.available["MUG"] = 4
	s.told("MUG", 4, 7)
	s.told("MUG", 4, 7)
	s.startRestocker(0)
	s.start()
	s.until("seven are settled", func() bool {
		settled := 0
		for _, m := range s.messages() {
			if m.State == Sent || m.State == Dropped {
				settled++
			}
		}
		return settled == 7
	})
	require.Equal(t, []string{"a", "b", "c", "d", "e", "f", "g"}, s.owed("MUG"))
	mails := s.ses.mails()
	require.Len(t, mails, 6)
	for _, m := range mails {
		to := m.Destination.ToAddresses[0]
		require.NotEqual(t, "c@example.com", to)
		content := m.Content.Simple
		require.Equal(t, "The MUG is back in stock", content.Subject.Data)
		require.Contains(t, content.Body.Text.Data, "https://shop.example/products/slug-of-MUG?variant=MUG")
		token := "backInStock." + strings.TrimSuffix(to, "@example.com") + ".SECRET"
		require.Contains(t, content.Body.Html.Data, "https://shop.example/unsubscribe?token="+token)
		headers := map[string]string{}
		for _, h := range content.Headers {
			headers[h.Name] = h.Value
		}
		require.Equal(t, map[string]string{
			"List-Unsubscribe": "<https://shop.example/api/v1/account/unsubscribe/" + token + ">", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
		}, headers)
	}
	require.False(t, s.waiting("MUG"))

	s.told("MUG", 0, 8)
	s.told("MUG", 2, 9)
	s.until("the second return is dealt with", func() bool { return !s.waiting("MUG") })
	require.Equal(t, []string{"a", "b", "c", "c", "d", "e", "f", "g"}, s.owed("MUG"), "who was told a moment ago is not told again; c was not")
}

func TestNobodyIsToldOfAReturnThatDidNotLast(t *testing.T) {
	s := newStocked(t, "a")
	s.told("MUG", 1, 2)
	s.told("MUG", 0, 3)
	s.told("POT", 0, 5)
	s.told("POT", 1, 4) // comes late
	s.startRestocker(0)
	s.told("CUP", 1, 1)
	s.until("the cup is dealt with", func() bool { return len(s.owed("CUP")) == 1 })
	require.Empty(t, s.owed("MUG"))
	require.Empty(t, s.owed("POT"))

	s.start() // and the cup has gone before the mail was written
	s.until("the mail is dropped", func() bool { return s.messages()[0].State == Dropped })
	require.Contains(t, s.messages()[0].Reason, "sold out again")
}

func TestAReturnHasToLast(t *testing.T) {
	s := newStocked(t, "a")
	s.startRestocker(time.Hour)
	s.told("MUG", 1, 2)
	s.tellAt("CUP-1", events.StockAvailabilityChanged{SKU: "CUP", Available: 1, InStock: true, Version: 1}, time.Now().Add(-2*time.Hour))
	s.until("the cup is dealt with", func() bool { return len(s.owed("CUP")) == 1 })
	require.True(t, s.waiting("MUG"))
	require.Empty(t, s.owed("MUG"))
}

func TestTellingGoesOnWhereItEnded(t *testing.T) {
	s := newStocked(t, "a", "b", "c", "d", "e")
	s.told("MUG", 1, 2)
	jobs, err := s.writer.store.LeaseRestocks(t.Context(), 0, 9)
	require.NoError(t, err)
	require.Len(t, jobs, 1)
	none, err := s.writer.store.LeaseRestocks(t.Context(), 0, 9)
	require.NoError(t, err)
	require.Empty(t, none, "one replica at a time")
	page, err := s.writer.owners.wishers(t.Context(), jobs[0])
	require.NoError(t, err)
	for range 2 { // and a repeat owes nothing more
		more, err := s.writer.store.OweWishers(t.Context(), jobs[0], page)
		require.NoError(t, err)
		require.True(t, more)
	}
	require.Equal(t, []string{"a", "b", "c"}, s.owed("MUG"))
	_, err = s.pool.Exec(t.Context(), `update restocks set leased_until = now()`) // the replica has died
	require.NoError(t, err)
	s.set(func() { s.pages = 0 })
	s.startRestocker(0)
	s.until("all are told", func() bool { return !s.waiting("MUG") })
	require.Equal(t, []string{"a", "b", "c", "d", "e"}, s.owed("MUG"))
	s.set(func() { require.Equal(t, 1, s.pages) })

	late, err := s.writer.store.OweWishers(t.Context(), jobs[0], page)
	require.NoError(t, err)
	require.False(t, late, "who comes back from the dead finds that it is done")
}

func TestManyWishersLeaveRoomForOrders(t *testing.T) {
	s := newStocked(t, "a", "b", "c", "d", "e", "f")
	s.told("MUG", 1, 1)
	s.told("POT", 1, 1)
	s.startRestocker(0)
	s.until("all are owed", func() bool { return len(s.owed("MUG"))+len(s.owed("POT")) == 12 })
	var span time.Duration
	require.NoError(t, s.pool.QueryRow(t.Context(), `select max(due_at) - min(due_at) from messages`).Scan(&span))
	require.GreaterOrEqual(t, span, 5*restockPace)
}

func TestOperatorsHearOnceOfAllThatIsLow(t *testing.T) {
	s := newStocked(t)
	s.available = map[string]int64{"MUG": 0, "POT": 3, "CUP": 50, "GONE": 1}
	for i, sku := range []string{"POT", "MUG", "CUP", "MUG", "GONE"} {
		s.tellAt(fmt.Sprint("low-", i), events.StockLow{SKU: sku, Available: 4, Threshold: 5}, time.Now())
	}
	require.Len(t, s.messages(), 1)
	hurry := func() {
		_, err := s.pool.Exec(t.Context(), `update messages set due_at = now() where due_at is not null`)
		require.NoError(t, err)
	}
	hurry()
	s.start()
	m := s.await(Sent)
	require.Equal(t, "operators", m.Recipient)
	sent := s.ses.mails()[0]
	require.Equal(t, []string{"operators@sidecart.example"}, sent.Destination.ToAddresses)
	require.Empty(t, sent.Content.Simple.Headers)
	text := sent.Content.Simple.Body.Text.Data
	require.Contains(t, text, "The MUG (MUG): sold out, threshold 5")
	require.Contains(t, text, "The POT (POT): 3 left, threshold 5")
	require.Contains(t, text, "\nGONE: 1 left, threshold 5")
	require.NotContains(t, text, "CUP", "there are enough again")
	require.Contains(t, text, "https://shop.example/admin/stock?low=true")
	require.Equal(t, "3 products are running low", sent.Content.Simple.Subject.Data)

	s.tellAt("low-again", events.StockLow{SKU: "MUG", Available: 2, Threshold: 5}, time.Now())
	require.Len(t, s.messages(), 1, "the mug was told of today")
	s.tellAt("low-other", events.StockLow{SKU: "NEW", Available: 2, Threshold: 5}, time.Now())
	require.Len(t, s.messages(), 2)
	var wait time.Duration
	require.NoError(t, s.pool.QueryRow(t.Context(), `select due_at - now() from messages where due_at is not null`).Scan(&wait))
	require.Greater(t, wait, lowPause/2, "one such mail an hour")

	s.set(func() { s.available["NEW"], s.away["catalog"] = 9, true })
	hurry()
	s.until("nothing is low any more", func() bool { return s.messages()[0].State == Dropped })
	s.tellAt("low-after-all", events.StockLow{SKU: "NEW", Available: 2, Threshold: 5}, time.Now())
	require.Len(t, s.messages(), 3, "what was not told in the end is told when it is low again")
	_, err := s.pool.Exec(t.Context(), `update low_stock set noted_at = now() - interval '2 days'`)
	require.NoError(t, err)
	s.tellAt("low-tomorrow", events.StockLow{SKU: "POT", Available: 2, Threshold: 5}, time.Now())
	hurry()
	s.until("the second mail", func() bool { return len(s.ses.mails()) == 2 })
	require.Contains(t, s.ses.mails()[1].Content.Simple.Subject.Data, "POT is running low", "without the name, which nobody knows at the moment")
}

func TestWhatRunsLowWhileAMailIsWrittenGoesIntoTheNext(t *testing.T) {
	s := newStocked(t)
	s.tellAt("low-1", events.StockLow{SKU: "MUG", Available: 1, Threshold: 5}, time.Now())
	_, err := s.pool.Exec(t.Context(), `update messages set due_at = now()`)
	require.NoError(t, err)
	jobs, err := s.writer.store.Lease(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, jobs, 1)
	s.tellAt("low-2", events.StockLow{SKU: "POT", Available: 1, Threshold: 5}, time.Now())
	require.Len(t, s.messages(), 2)
	low, err := s.writer.store.LowStock(t.Context(), jobs[0].ID)
	require.NoError(t, err)
	require.Len(t, low, 1)
}

func TestMalformedFactsAboutStockAreRefusedForGood(t *testing.T) {
	d := newDesk(t)
	for _, fact := range []events.Fact{
		events.StockAvailabilityChanged{Available: 1, InStock: true, Version: 1}, events.StockAvailabilityChanged{SKU: "A", InStock: true},
		events.StockLow{Threshold: 1}, events.StockLow{SKU: "A", Threshold: -1},
	} {
		require.ErrorIs(t, d.hear("x", fact), events.ErrMalformed, "%+v", fact)
	}
	require.Empty(t, d.messages())
}
