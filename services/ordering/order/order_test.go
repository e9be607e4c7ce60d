package order

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
)

var (
	epoch = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	waits = Deadlines{Stock: 15 * time.Minute, Payment: 15 * time.Minute, Action: 30 * time.Minute, Refund: 15 * time.Minute}
	anna  = identity.Identity{Subject: "anna", Roles: []identity.Role{identity.Customer}, Email: "anna@example.com", Name: "Anna Berg"}
	boris = identity.Identity{Subject: "boris", Roles: []identity.Role{identity.Customer}, Email: "boris@example.com"}
	agent = identity.Identity{Subject: "agent", Roles: []identity.Role{identity.Customer, identity.Support}}
	visit = identity.Identity{Subject: "guest:abc", Roles: []identity.Role{identity.Guest}}
)

func eur(minor int64) money.Amount { return money.Must(minor, "EUR") }

func draftOf(who identity.Identity) Draft {
	quote, err := ShopTariff.Quote([]Wanted{{"mug-blue", 2}, {"cup", 1}},
		[]Variant{{SKU: "mug-blue", Name: "Mug", Slug: "mug", Price: eur(1250)}, {SKU: "cup", Name: "Cup", Slug: "cup", Price: eur(999)}}, "EUR", "standard", "DE", nil)
	if err != nil {
		panic(err)
	}
	return Draft{
		ID: "o1", Customer: who.Subject, BasketID: "basket-1", Quote: quote, Email: who.Email, Provider: "stripe", Method: "pm_card_visa",
		Address:   Address{Name: "Anna Berg", Line1: "Hauptstraße 1", City: "Berlin", PostalCode: "10115", Country: "DE"},
		ReturnURL: "http://localhost:8080/orders/o1",
	}
}

func placed() *Order { return Place("SC-2026-TEST001", draftOf(anna), waits, epoch) }

// told are the facts that the order raised, as topics.
func told(o *Order) (topics []string) {
	for _, f := range o.raised {
		topics = append(topics, f.Topic())
	}
	return topics
}

func raised[T events.Fact](o *Order) (facts []T) {
	for _, f := range o.raised {
		if t, ok := f.(T); ok {
			facts = append(facts, t)
		}
	}
	return facts
}

// step is one thing that may happen to an order.
type step struct {
	name string
	do   func(o *Order, at time.Time)
}

var total = placed().Total

var (
	reserve     = step{"reserve", func(o *Order, at time.Time) { o.Reserve(waits, at) }}
	reject      = step{"reject", func(o *Order, at time.Time) { o.Reject(at) }}
	settle      = step{"settle", func(o *Order, at time.Time) { o.Settle("p1", total, at) }}
	settleTwice = step{"settle a second payment", func(o *Order, at time.Time) { o.Settle("p2", total, at) }}
	settleShort = step{"settle a wrong sum", func(o *Order, at time.Time) { o.Settle("p3", eur(1), at) }}
	settleWrong = step{"settle a wrong currency", func(o *Order, at time.Time) { o.Settle("p4", money.Must(total.Minor(), "USD"), at) }}
	fail        = step{"fail", func(o *Order, at time.Time) { o.FailPayment(1, "card_declined", at) }}
	failOld     = step{"fail an older attempt", func(o *Order, at time.Time) { o.FailPayment(0, "card_declined", at) }}
	action      = step{"require action", func(o *Order, at time.Time) { o.RequireAction("https://bank.example/3ds", waits, at) }}
	cancel      = step{"cancel", func(o *Order, at time.Time) { _ = o.Cancel(anna, "", at) }}
	expire      = step{"expire", func(o *Order, at time.Time) { o.Expire(at.Add(24 * time.Hour)) }}
	expireEarly = step{"expire early", func(o *Order, at time.Time) { o.Expire(epoch) }}
	refund      = step{"refund", func(o *Order, at time.Time) { o.Return("p1", "r1", total, at) }}
	refundPart  = step{"refund a part", func(o *Order, at time.Time) { o.Return("p1", "r2", eur(100), at) }}
	refundOther = step{"refund in another currency", func(o *Order, at time.Time) { o.Return("p4", "r3", eur(100), at) }}
	ship        = step{"ship", func(o *Order, at time.Time) { _ = o.Ship(agent, "DHL", "JJD0001", at) }}
	deliver     = step{"deliver", func(o *Order, at time.Time) { _ = o.Deliver(agent, at) }}
	giveAll     = step{"the shop gives all back", func(o *Order, at time.Time) { _ = o.Refund(agent, nil, "Sorry.", at) }}
	givePart    = step{"the shop gives a part back", func(o *Order, at time.Time) {
		if part := eur(100); o.Repaid().IsZero() && len(o.Refunds) == 0 { // a repeat is another wish, and has a key of its own
			_ = o.Refund(agent, &part, "", at)
		}
	}}
	wishReturn = step{"ask to return one", func(o *Order, at time.Time) { o.wish("g1", "mug-blue", 1, at) }}
	wishRest   = step{"ask to return the rest", func(o *Order, at time.Time) {
		if o.returnOf("g2") == nil {
			_, _ = o.RequestReturn(anna, "g2", []events.OrderLine{{SKU: "mug-blue", Quantity: 2 - o.claimed("mug-blue")}, {SKU: "cup", Quantity: 1}}, "", at)
		}
	}}
	approve = step{"approve returns", func(o *Order, at time.Time) {
		_ = o.ApproveReturn(agent, "g1", "", at)
		_ = o.ApproveReturn(agent, "g2", "", at)
	}}
	decline  = step{"reject a return", func(o *Order, at time.Time) { _ = o.RejectReturn(agent, "g1", "", at) }}
	receive  = step{"receive a return", func(o *Order, at time.Time) { _ = o.ReceiveReturn(agent, "g1", "", true, at) }}
	receive2 = step{"receive the rest", func(o *Order, at time.Time) { _ = o.ReceiveReturn(agent, "g2", "", false, at) }}
	repay    = step{"payment answers the oldest refund", func(o *Order, at time.Time) {
		for _, r := range o.Refunds {
			if !r.Done && o.Payment.Captures[0].PaymentID == r.PaymentID {
				o.Return(r.PaymentID, "answer to "+r.ID, r.Amount, at)
				return
			}
		}
	}}
	remind   = step{"remind", func(o *Order, at time.Time) { o.Remind(waits, at) }}
	dispute  = step{"dispute", func(o *Order, at time.Time) { o.Dispute("d1", "open", total, "fraudulent", at) }}
	allSteps = []step{
		reserve, reject, settle, settleTwice, settleShort, settleWrong, fail, failOld, action, cancel, expire, expireEarly, refund, refundPart, refundOther,
		ship, deliver, giveAll, givePart, wishReturn, wishRest, approve, decline, receive, receive2, remind, dispute,
	}
)

// wish asks once for a return.
func (o *Order) wish(id, sku string, n int, at time.Time) {
	if o.returnOf(id) == nil {
		_, _ = o.RequestReturn(anna, id, []events.OrderLine{{SKU: sku, Quantity: n}}, "Too small.", at)
	}
}

func TestOrderLife(t *testing.T) {
	t.Parallel()
	placedTold, asked := events.TopicOrderPlaced, events.TopicPaymentRequested
	paid, closed, back := events.TopicOrderPaid, events.TopicOrderClosed, events.TopicRefundRequested
	repaid, shipped, delivered := events.TopicOrderRefunded, events.TopicOrderShipped, events.TopicOrderDelivered
	wished, decided, received := events.TopicReturnRequested, events.TopicReturnDecided, events.TopicReturnReceived
	home := []step{reserve, settle, ship, deliver}
	homeTold := []string{placedTold, asked, paid, shipped, delivered}
	for name, c := range map[string]struct {
		steps   []step
		status  Status
		payment PaymentStatus
		told    []string
	}{
		"just placed":                            {nil, Placed, PaymentPending, []string{placedTold}},
		"reserved":                               {[]step{reserve}, Reserved, PaymentRequested, []string{placedTold, asked}},
		"paid":                                   {[]step{reserve, settle}, Paid, Captured, []string{placedTold, asked, paid}},
		"paid after approval":                    {[]step{reserve, action, settle}, Paid, Captured, []string{placedTold, asked, paid}},
		"waiting for approval":                   {[]step{reserve, action}, Reserved, ActionRequired, []string{placedTold, asked}},
		"sold out":                               {[]step{reject}, Rejected, Void, []string{placedTold, closed}},
		"declined":                               {[]step{reserve, fail}, PaymentFailed, Failed, []string{placedTold, asked, closed}},
		"an older attempt fails":                 {[]step{reserve, failOld}, Reserved, PaymentRequested, []string{placedTold, asked}},
		"declined, yet captured":                 {[]step{reserve, fail, settle}, PaymentFailed, RefundPending, []string{placedTold, asked, closed, back}},
		"failure after capture":                  {[]step{reserve, settle, fail}, Paid, Captured, []string{placedTold, asked, paid}},
		"no stock in time":                       {[]step{expire}, Expired, Void, []string{placedTold, closed}},
		"no money in time":                       {[]step{reserve, expire}, Expired, Void, []string{placedTold, asked, closed}},
		"money too late":                         {[]step{reserve, expire, settle}, Expired, RefundPending, []string{placedTold, asked, closed, back}},
		"money too late and back":                {[]step{reserve, expire, settle, refund}, Expired, PaymentReturned, []string{placedTold, asked, closed, back, repaid}},
		"reservation after expiry":               {[]step{expire, reserve}, Expired, Void, []string{placedTold, closed}},
		"not due yet":                            {[]step{expireEarly}, Placed, PaymentPending, []string{placedTold}},
		"cancelled early":                        {[]step{cancel}, Cancelled, Void, []string{placedTold, closed}},
		"cancelled, then reserved":               {[]step{cancel, reserve}, Cancelled, Void, []string{placedTold, closed}},
		"cancelled, then captured":               {[]step{reserve, cancel, settle}, Cancelled, RefundPending, []string{placedTold, asked, closed, back}},
		"captured, then cancelled":               {[]step{reserve, settle, cancel}, Cancelled, RefundPending, []string{placedTold, asked, paid, closed, back}},
		"captured, cancelled, money back":        {[]step{reserve, settle, cancel, refund}, Cancelled, PaymentReturned, []string{placedTold, asked, paid, closed, back, repaid}},
		"captured before reserved":               {[]step{settle, reserve}, Paid, Captured, []string{placedTold, paid}},
		"captured before sold out":               {[]step{settle, reject}, Rejected, RefundPending, []string{placedTold, closed, back}},
		"captured twice":                         {[]step{reserve, settle, settleTwice}, Paid, Captured, []string{placedTold, asked, paid, back}},
		"wrong sum":                              {[]step{reserve, settleShort}, PaymentFailed, RefundPending, []string{placedTold, asked, closed, back}},
		"wrong currency":                         {[]step{reserve, settleWrong}, PaymentFailed, RefundPending, []string{placedTold, asked, closed, back}},
		"refunded at the provider":               {[]step{reserve, settle, refund}, Refunded, PaymentReturned, []string{placedTold, asked, paid, repaid}},
		"partly refunded at the provider":        {[]step{reserve, settle, refundPart}, Paid, Captured, []string{placedTold, asked, paid, repaid}},
		"captured twice, the first one refunded": {[]step{reserve, settle, settleTwice, refund}, Refunded, RefundPending, []string{placedTold, asked, paid, back, repaid}},
		"refund overtakes capture":               {[]step{reserve, refund, settle}, PaymentFailed, PaymentReturned, []string{placedTold, asked, repaid, closed}},
		"held money leaves before the stock":     {[]step{settle, refund}, PaymentFailed, PaymentReturned, []string{placedTold, repaid, closed}},
		"a part of held money leaves earlier":    {[]step{settle, refundPart}, PaymentFailed, RefundPending, []string{placedTold, repaid, closed, back}},
		"shipped":                                {[]step{reserve, settle, ship}, Shipped, Captured, []string{placedTold, asked, paid, shipped}},
		"delivered":                              {home, Delivered, Captured, homeTold},
		"too late to cancel":                     {[]step{reserve, settle, ship, cancel}, Shipped, Captured, []string{placedTold, asked, paid, shipped}},
		"cancelled, so not shipped":              {[]step{reserve, settle, cancel, ship}, Cancelled, RefundPending, []string{placedTold, asked, paid, closed, back}},
		"not shipped unpaid":                     {[]step{reserve, ship, deliver}, Reserved, PaymentRequested, []string{placedTold, asked}},
		"given back by the shop":                 {append(home, giveAll, repay), Refunded, PaymentReturned, append(homeTold, back, repaid)},
		"on its way back, so not shipped":        {[]step{reserve, settle, giveAll, ship}, Paid, Captured, []string{placedTold, asked, paid, back}},
		"a part given back":                      {append(home, givePart, repay), Delivered, Captured, append(homeTold, back, repaid)},
		"a part given back, then cancelled":      {[]step{reserve, settle, givePart, cancel, repay, repay}, Cancelled, PaymentReturned, []string{placedTold, asked, paid, back, closed, back, repaid, repaid}},
		"a return wished":                        {append(home, wishReturn), Delivered, Captured, append(homeTold, wished)},
		"a return rejected":                      {append(home, wishReturn, decline, receive), Delivered, Captured, append(homeTold, wished, decided)},
		"a return not approved yet":              {append(home, wishReturn, receive), Delivered, Captured, append(homeTold, wished)},
		"one piece came back":                    {append(home, wishReturn, approve, receive, repay), Delivered, Captured, append(homeTold, wished, decided, received, back, repaid)},
		"everything came back": {
			append(home, wishReturn, approve, wishRest, approve, receive, receive2, repay, repay), Returned, PaymentReturned,
			append(homeTold, wished, decided, wished, decided, received, back, received, back, repaid, repaid),
		},
		"came back after its money":          {append(home, wishRest, approve, giveAll, repay, receive2), Returned, PaymentReturned, append(homeTold, wished, decided, back, repaid, received)},
		"returned money, then a second sum":  {append(home, wishRest, approve, receive2, settleTwice), Returned, RefundPending, append(homeTold, wished, decided, received, back, back)},
		"everything came back, money waited": {append(home, wishRest, approve, receive2), Returned, RefundPending, append(homeTold, wished, decided, received, back)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := placed()
			for i, s := range c.steps {
				s.do(o, epoch.Add(time.Duration(i+1)*time.Second))
			}
			require.Equal(t, c.status, o.Status)
			require.Equal(t, c.payment, o.Payment.Status)
			require.Equal(t, c.told, told(o))
			requireLegal(t, o)
		})
	}
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	o := placed()
	require.Equal(t, epoch.Add(waits.Stock), o.DueAt)
	require.Equal(t, o.DueAt, raised[events.OrderPlaced](o)[0].ExpiresAt)
	at := epoch.Add(time.Minute)
	o.Reserve(waits, at)
	require.Equal(t, at.Add(waits.Payment), o.DueAt)
	at = at.Add(time.Minute)
	o.RequireAction("https://bank.example/3ds", waits, at)
	require.Equal(t, at.Add(waits.Action), o.DueAt)
	o.RequireAction("https://bank.example/3ds", waits, at.Add(time.Minute))
	require.Equal(t, at.Add(waits.Action), o.DueAt, "a repeat does not lengthen the wait")
	o.Expire(o.DueAt.Add(-time.Nanosecond))
	require.Equal(t, Reserved, o.Status)
	o.Expire(o.DueAt)
	require.Equal(t, Expired, o.Status)
	require.Empty(t, o.Payment.RedirectURL)
}

func TestCancelIsForTheCustomerAndTheStaff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		by    identity.Identity
		steps []step
		code  string
		note  string
	}{
		"owner":                       {by: anna, note: "Cancelled by you. Too slow."},
		"staff":                       {by: agent, note: "Cancelled by the shop. Too slow."},
		"another customer":            {by: boris, code: "order-not-found"},
		"a guest":                     {by: visit, code: "order-not-found"},
		"anonymous":                   {code: "order-not-found"},
		"another customer, when done": {by: boris, steps: []step{expire}, code: "order-not-found"},
		"already expired":             {by: anna, steps: []step{expire}, code: "order-not-cancellable"},
		"already rejected":            {by: anna, steps: []step{reject}, code: "order-not-cancellable"},
		"already cancelled":           {by: anna, steps: []step{cancel}, note: "Cancelled by you."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := placed()
			for _, s := range c.steps {
				s.do(o, epoch)
			}
			before := len(o.Timeline)
			err := o.Cancel(c.by, "Too slow.", epoch)
			if c.code != "" {
				require.True(t, problem.Is(err, c.code), "%v", err)
				require.Len(t, o.Timeline, before)
				return
			}
			require.NoError(t, err)
			require.Equal(t, Cancelled, o.Status)
			require.Equal(t, c.note, o.Timeline[len(o.Timeline)-1].Note)
		})
	}
}

// next are the moves that the shop knows.
var next = map[Status][]Status{
	Placed:    {Reserved, Rejected, Expired, Cancelled, PaymentFailed, Paid},
	Reserved:  {Paid, PaymentFailed, Expired, Cancelled},
	Paid:      {Cancelled, Refunded, Shipped},
	Shipped:   {Delivered, Refunded, Returned},
	Delivered: {Refunded, Returned},
	Refunded:  {Returned},
}

// requireLegal checks what must hold of every order at every moment, whatever it went through.
func requireLegal(t require.TestingT, o *Order) {
	require.Equal(t, o.Status.Waiting(), !o.DueAt.IsZero(), "an order waits exactly if it has a due time (%s)", o.Status)
	open := slices.ContainsFunc(o.Refunds, func(r *Refund) bool { return !r.Done })
	require.Equal(t, o.Status.Waiting() || open, !o.Due(waits).IsZero(), "what is waited for has a due time")
	last := Placed
	for i, e := range o.Timeline {
		require.Equal(t, i+1, e.Seq)
		if e.Status != last && e.Status != NeedsAttention {
			require.Contains(t, next[last], e.Status, "illegal move from %s", last)
			last = e.Status
		}
	}
	require.Len(t, raised[events.OrderPlaced](o), 1)
	for topic, n := range map[string]int{
		"paid": len(raised[events.OrderPaid](o)), "requested": len(raised[events.PaymentRequested](o)),
		"shipped": len(raised[events.OrderShipped](o)), "delivered": len(raised[events.OrderDelivered](o)),
	} {
		require.LessOrEqual(t, n, 1, topic)
	}
	ended := o.Status.Over() && o.Status != Refunded && o.Status != Returned
	require.Len(t, raised[events.OrderClosed](o), map[bool]int{true: 1}[ended], "an order that is %s", o.Status)

	asked, names := map[string]int64{}, map[string]money.Amount{}
	for _, r := range raised[events.RefundRequested](o) {
		require.Positive(t, r.Amount.Minor())
		if before, again := names[r.Reason]; again {
			require.Equal(t, before, r.Amount, "asking again is asking for the same")
			continue
		}
		names[r.Reason] = r.Amount
		asked[r.PaymentID] += r.Amount.Minor()
	}
	for _, c := range o.Payment.Captures {
		returned := c.Returned.Minor()
		require.LessOrEqual(t, asked[c.PaymentID], c.Amount.Minor(), "more asked back than came")
		if !c.Settled {
			require.Zero(t, asked[c.PaymentID])
			continue
		}
		living := c.PaymentID == o.Payment.Kept && !o.Status.Over()
		if living {
			require.Equal(t, o.Total, c.Amount)
			require.Less(t, returned, c.Amount.Minor(), "money that is gone pays for nothing")
		} else {
			require.GreaterOrEqual(t, asked[c.PaymentID]+returned, c.Amount.Minor(), "money stays with us for nothing (%s)", o.Status)
		}
	}
	if o.Status.Over() && len(asked) > 0 {
		back := !slices.ContainsFunc(o.Payment.Captures, func(c *Capture) bool { return c.Settled && c.Returned.Minor() < c.Amount.Minor() })
		require.Equal(t, back, o.Payment.Status == PaymentReturned, "%s", o.Payment.Status)
	}
	if o.Status == Paid || o.Status == Shipped || o.Status == Delivered || o.Status == Returned {
		require.NotEmpty(t, o.Payment.Kept, "paid implies captured")
		require.Len(t, raised[events.OrderPaid](o), 1)
	}

	sent, came := raised[events.OrderShipped](o), map[string]int{}
	if len(sent) > 0 {
		require.NotNil(t, o.Shipment)
		require.False(t, ended, "what was sent is a purchase")
	}
	var repaid int64
	for _, r := range o.Returns {
		for _, l := range r.Lines {
			if r.Status != ReturnRejected {
				came[l.SKU] += l.Quantity
			}
		}
		if r.Refund != nil {
			repaid += r.Refund.Minor()
		}
	}
	require.LessOrEqual(t, repaid, o.Total.Minor(), "returns give back what was paid at most")
	for _, l := range o.Lines {
		require.LessOrEqual(t, came[l.SKU], l.Quantity, "more came back than was sent")
	}
	require.Equal(t, o.Status == Returned, len(sent) > 0 && o.allBack(), "%s", o.Status)
	alerts := len(raised[events.OrderAttention](o))
	require.Equal(t, o.Attention != "", o.Shown() == NeedsAttention)
	if o.Attention != "" {
		require.Positive(t, alerts, "attention without an alert is silence")
	}
}

func TestAnyOrderOfFactsEndsLegal(t *testing.T) {
	t.Parallel()
	schedule := func(t *rapid.T) {
		o := placed()
		at := epoch
		for _, s := range rapid.SliceOfN(rapid.SampledFrom(allSteps), 0, 25).Draw(t, "steps") {
			at = at.Add(time.Duration(rapid.SampledFrom([]int{1, 1, 1, 60, 1000, 5000, 20000}).Draw(t, "seconds")) * time.Second)
			s.do(o, at)
			requireLegal(t, o)
			seq, facts := len(o.Timeline), len(o.raised)
			for range rapid.IntRange(0, 3).Draw(t, "repeats") {
				s.do(o, at)
			}
			require.Len(t, o.Timeline, seq, "a repeat of %q changed the order", s.name)
			require.Len(t, o.raised, facts, "a repeat of %q raised something", s.name)
		}
	}
	for range 20 { // a hundred schedules, rapid's default, miss the rare ones
		rapid.Check(t, schedule)
	}
}

// Whatever overtakes what, and however often it comes: the customer has either goods for money or the money back.
func TestEveryPermutationAddsUp(t *testing.T) {
	t.Parallel()
	for _, world := range [][]step{
		{reserve, settle, cancel}, {reserve, settle, expire}, {reserve, action, settle, cancel}, {reserve, fail, settle},
		{reserve, settle, settleTwice, cancel}, {reject, settle, cancel}, {reserve, settle, refund, cancel}, {reserve, settle, refundPart, expire},
		{reserve, settle, ship, cancel}, {reserve, settle, ship, deliver, cancel}, {reserve, settle, ship, giveAll, repay, cancel},
		{reserve, settle, givePart, repay, cancel}, {reserve, settle, ship, wishReturn, approve, receive, giveAll},
	} {
		permute(world, func(steps []step) {
			o := placed()
			name := ""
			for _, s := range slices.Concat(steps, steps) {
				name += s.name + ", "
				s.do(o, epoch)
				requireLegal(t, o)
			}
			living := o.Status == Paid || o.Status == Shipped || o.Status == Delivered
			require.True(t, living || o.Status.Over(), "%s: %s", name, o.Status)
			var kept int64
			for _, c := range o.Payment.Captures {
				if c.Settled {
					kept += c.Amount.Minor()
				}
			}
			given := int64(0)
			for _, r := range o.Refunds {
				kept -= r.Amount.Minor()
				if strings.HasPrefix(r.ID, "shop-") || strings.HasPrefix(r.ID, "return-") {
					given += r.Amount.Minor()
				}
			}
			if living {
				require.Equal(t, o.Total.Minor()-given, kept, name)
			}
		})
	}
}

func permute(steps []step, visit func([]step)) {
	var rec func(head, rest []step)
	rec = func(head, rest []step) {
		if len(rest) == 0 {
			visit(head)
			return
		}
		for i := range rest {
			rec(append(slices.Clone(head), rest[i]), slices.Delete(slices.Clone(rest), i, i+1))
		}
	}
	rec(nil, steps)
}

func (s step) String() string { return fmt.Sprint(s.name) }
