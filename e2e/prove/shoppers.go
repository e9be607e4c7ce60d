package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/e2e/shop"
)

const (
	insistence = 150 * time.Second // how long a shopper asks again before the shop counts as not working
	patience   = 30 * time.Second  // how long one looks at an order before walking on; the books judge it later
)

// told is an order as its shopper was told of it, by a 2xx answer.
type told struct {
	ID, Number, Kind, Email string
	Total                   shop.Money
	At                      time.Time
}

// kind is a way of buying.
type kind struct {
	name, provider, method string
	weight                 int
	then                   func(ctx context.Context, c *customer, id string) error
}

// kinds are all ways of buying that the shop and its sandbox offer.
func kinds(providers []string) []kind {
	all := []kind{
		{"card", "stripe", "pm_card_visa", 46, look},
		{"card declined", "stripe", "pm_card_visa_chargeDeclined", 8, look},
		{"3-D Secure approved", "stripe", "pm_card_threeDSecure2Required", 10, approve(true)},
		{"3-D Secure refused", "stripe", "pm_card_threeDSecure2Required", 3, approve(false)},
		{"3-D Secure never answered", "stripe", "pm_card_threeDSecure2Required", 5, walkAway},
		{"cancelled at once", "stripe", "pm_card_visa", 12, cancel},
		{"cancelled when paid", "stripe", "pm_card_visa", 10, cancelPaid},
		{"approved and cancelled", "stripe", "pm_card_threeDSecure2Required", 6, approveAndCancel},
		{"PayPal approved", "paypal", "paypal", 12, approve(true)},
		{"PayPal never approved", "paypal", "paypal", 4, walkAway},
	}
	var offered []kind
	for _, k := range all {
		for _, p := range providers {
			if k.provider == p {
				offered = append(offered, k)
			}
		}
	}
	return offered
}

// shelf is what there is to buy: of plenty there is always enough, of the scarce there is not.
type shelf struct{ plenty, scarce []shop.Variant }

func browse(ctx context.Context) (s shelf, err error) {
	if _, err := shop.InStock(ctx, 20); err != nil { // a shop that has just started may not know its stock yet
		return s, err
	}
	s.plenty, s.scarce, err = shop.Stock(ctx, math.MaxInt)
	return s, err
}

// crowd are the shoppers: each does one thing after another.
type crowd struct {
	shelf  shelf
	kinds  []kind
	seed   uint64
	paid   func(placed, at time.Time)
	placed atomic.Int64 // orders that were begun

	mu     sync.Mutex
	orders []told
	failed []violation
}

// run lets n shoppers buy until more says no, and waits for the last.
func (c *crowd) run(ctx context.Context, n int, more func(begun int64) bool) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			random := rand.New(rand.NewPCG(c.seed, uint64(i)+100))
			var me *customer
			for n := 0; ctx.Err() == nil && more(c.placed.Add(1)); n++ {
				// A third has accounts, for a few dozen orders each; the others are guests, new for each order.
				if hasAccount := i%3 == 0; !hasAccount || n%30 == 0 {
					me = &customer{Shopper: shop.New(), crowd: c}
					if hasAccount {
						if err := me.join(ctx); err != nil && ctx.Err() == nil {
							c.fail("", "takes orders", fmt.Errorf("register: %w", err))
						}
					}
				}
				if err := me.buy(ctx, random); err != nil && ctx.Err() == nil {
					c.fail("", "takes orders", err)
				}
			}
		})
	}
	group.Wait()
}

func (c *crowd) fail(order, rule string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, violation{order, rule, err.Error()})
}

func (c *crowd) pick(random *rand.Rand) kind {
	sum := 0
	for _, k := range c.kinds {
		sum += k.weight
	}
	n := random.IntN(sum)
	for _, k := range c.kinds {
		if n -= k.weight; n < 0 {
			return k
		}
	}
	panic("weights do not add up")
}

// customer is one shopper; without an account, a guest.
type customer struct {
	*shop.Shopper
	crowd   *crowd
	account shop.Account
}

// join makes an account, as the mail in the sandbox's inbox allows it, and signs in.
func (c *customer) join(ctx context.Context) error {
	a := shop.NewAccount()
	err := c.insist(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, insistence/3)
		defer cancel()
		err := c.Register(ctx, a)
		if err == nil || c.Login(ctx, a) == nil { // a step may have worked though its answer was lost
			return nil
		}
		return fmt.Errorf("%w: %s", errAgain, err.Error())
	})
	if err == nil {
		c.account = a
	}
	return err
}

// buy fills the basket, checks out with a key, insisting until there is an answer, and does what its kind does then.
func (c *customer) buy(ctx context.Context, random *rand.Rand) error {
	k := c.crowd.pick(random)
	wanted := map[string]int{}
	for range 1 + random.IntN(3) {
		wanted[c.crowd.shelf.plenty[random.IntN(len(c.crowd.shelf.plenty))].SKU] = 1 + random.IntN(2)
	}
	if scarce := c.crowd.shelf.scarce; len(scarce) > 0 && random.IntN(25) == 0 {
		wanted[scarce[random.IntN(len(scarce))].SKU] = 1
	}
	checkout := shop.With(k.method)
	checkout.Payment.Provider = k.provider
	checkout.Email = cmp.Or(c.account.Email, shop.NewAccount().Email)
	key := uuid.NewString()
	twice := random.IntN(8) == 0

	fill := func() error {
		for sku, n := range wanted {
			if _, err := c.Put(ctx, sku, n); err != nil {
				return err
			}
		}
		return nil
	}
	if err := c.insist(ctx, fill); err != nil {
		return fmt.Errorf("basket: %w", err)
	}
	place := func() (order shop.Order, err error) {
		return order, c.insist(ctx, func() (err error) {
			order, err = c.Place(ctx, checkout, key)
			if p, ok := errors.AsType[*shop.Problem](err); ok && p.Code == "basket-empty" {
				// The state store lost the basket, which it may: baskets are not promised. The shopper fills it again.
				return cmp.Or(fill(), errAgain)
			}
			return err
		})
	}
	order, err := place()
	if err != nil {
		return fmt.Errorf("checkout: %w", err)
	}
	o := told{order.ID, order.Number, k.name, checkout.Email, order.Total, time.Now()}
	c.crowd.mu.Lock()
	c.crowd.orders = append(c.crowd.orders, o)
	c.crowd.mu.Unlock()
	if twice { // a double click, or a browser that never saw the answer
		if again, err := place(); err != nil {
			return fmt.Errorf("checkout again: %w", err)
		} else if again.ID != order.ID {
			c.crowd.fail(order.ID, "one order a key", fmt.Errorf("the same Idempotency-Key made %s as well", again.ID))
		}
	}
	ctx, done := context.WithTimeout(ctx, patience)
	defer done()
	if err := k.then(ctx, c, order.ID); err != nil && ctx.Err() == nil {
		return fmt.Errorf("order %s (%s): %w", order.ID, k.name, err)
	}
	return nil
}

var errAgain = errors.New("again")

// insist repeats what failed for a reason that passes: no answer, 409, 429 or 5xx; a session that ended is begun anew.
func (c *customer) insist(ctx context.Context, do func() error) error {
	ctx, cancel := context.WithTimeout(ctx, insistence)
	defer cancel()
	for {
		err := do()
		p, refused := errors.AsType[*shop.Problem](err)
		switch {
		case err == nil:
			return nil
		case refused && p.Status == http.StatusUnauthorized && c.account.Email != "":
			_ = c.Login(ctx, c.account) // if that fails, the next try tells
		case refused && p.Status < 500 && p.Status != http.StatusConflict && p.Status != http.StatusTooManyRequests:
			return err
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return fmt.Errorf("%w, and before: %w", ctx.Err(), err)
		}
	}
}

// until looks at an order until it is as wanted, or over.
func (c *customer) until(ctx context.Context, id string, wanted func(shop.Order) bool) (shop.Order, error) {
	for {
		o, err := c.Order(ctx, id)
		if p, refused := errors.AsType[*shop.Problem](err); refused && p.Status == http.StatusNotFound {
			return o, fmt.Errorf("its customer does not find it: %w", err)
		}
		if err == nil && (wanted(o) || over[o.Status]) {
			return o, nil
		}
		if !sleep(ctx, 150*time.Millisecond) {
			return o, ctx.Err()
		}
	}
}

func isPaid(o shop.Order) bool { return purchased[o.Status] }

// look waits for the end of an order.
func look(ctx context.Context, c *customer, id string) error {
	placed := time.Now()
	o, err := c.until(ctx, id, isPaid)
	if err == nil && isPaid(o) {
		c.crowd.paid(placed, time.Now())
	}
	return err
}

func walkAway(context.Context, *customer, string) error { return nil }

// approve answers the provider's question, once it is asked.
func approve(yes bool) func(context.Context, *customer, string) error {
	return func(ctx context.Context, c *customer, id string) error {
		if err := c.answer(ctx, id, yes); err != nil {
			return err
		}
		_, err := c.until(ctx, id, isPaid)
		return err
	}
}

func (c *customer) answer(ctx context.Context, id string, yes bool) error {
	o, err := c.until(ctx, id, func(o shop.Order) bool { return o.Payment.RedirectURL != "" || isPaid(o) })
	if err != nil || o.Payment.RedirectURL == "" {
		return err
	}
	for {
		if _, err = shop.Authenticate(ctx, o.Payment.RedirectURL, yes); err == nil || !sleep(ctx, 200*time.Millisecond) {
			return err
		}
	}
}

// cancel stops an order, at whatever point it is. One that has ended otherwise cannot be cancelled, and need not be.
func cancel(ctx context.Context, c *customer, id string) error {
	for {
		err := c.Do(ctx, http.MethodPut, "orders/"+id+"/cancellation", map[string]string{"reason": "I have changed my mind"}, nil)
		p, refused := errors.AsType[*shop.Problem](err)
		switch {
		case err == nil, refused && p.Code == "order-not-cancellable":
			return nil
		case refused && p.Status == http.StatusUnauthorized && c.account.Email != "":
			_ = c.Login(ctx, c.account)
		case refused && p.Status < 500 && p.Status != http.StatusTooManyRequests:
			return err
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return ctx.Err()
		}
	}
}

func cancelPaid(ctx context.Context, c *customer, id string) error {
	if _, err := c.until(ctx, id, isPaid); err != nil {
		return err
	}
	return cancel(ctx, c, id)
}

// approveAndCancel lets the money and the cancellation race.
func approveAndCancel(ctx context.Context, c *customer, id string) error {
	if err := c.answer(ctx, id, true); err != nil {
		return err
	}
	return cancel(ctx, c, id)
}
