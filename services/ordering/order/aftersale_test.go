package order

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
)

// through takes a fresh order through steps, a second apart.
func through(steps ...step) *Order {
	o := placed()
	for i, s := range steps {
		s.do(o, epoch.Add(time.Duration(i+1)*time.Second))
	}
	return o
}

func TestRefundThatIsNotConfirmedCallsForAPersonOnce(t *testing.T) {
	t.Parallel()
	o := through(reserve, settle, cancel)
	asked := func() int { return len(raised[events.RefundRequested](o)) }
	var gaps []time.Duration
	at := o.Due(waits)
	gaps = append(gaps, at.Sub(o.Refunds[0].AskedAt))
	for range 2 {
		o.Remind(waits, at.Add(-time.Nanosecond))
		require.Equal(t, len(gaps), asked(), "too early")
		o.Remind(waits, at)
		gaps = append(gaps, o.Due(waits).Sub(at))
		require.Equal(t, Cancelled, o.Shown())
		require.Empty(t, raised[events.OrderAttention](o))
		at = o.Due(waits)
	}
	require.Equal(t, []time.Duration{15 * time.Minute, 30 * time.Minute, time.Hour}, gaps)
	seen := len(o.Timeline)
	for range 20 { // it goes on asking, and does not alert again
		o.Remind(waits, at)
		require.Equal(t, NeedsAttention, o.Shown())
		require.Equal(t, Cancelled, o.Status)
		at = o.Due(waits)
	}
	require.Equal(t, []events.OrderAttention{{OrderID: "o1", Number: o.Number, Reason: "refund-not-confirmed"}}, raised[events.OrderAttention](o))
	require.Equal(t, 23, asked())
	require.Len(t, o.Timeline, seen+1, "the customer is told once")
	require.LessOrEqual(t, o.Due(waits).Sub(o.Refunds[0].AskedAt), 16*time.Hour)

	o.Return("p1", "r1", total, at)
	require.Equal(t, Cancelled, o.Shown(), "the order mends itself")
	require.Equal(t, PaymentReturned, o.Payment.Status)
	require.True(t, o.Due(waits).IsZero())
	requireLegal(t, o)
}

func TestMoneySentInPartsByAPersonAnswersTheRefund(t *testing.T) {
	t.Parallel()
	o := through(reserve, settle, cancel)
	for range attentionAfter {
		o.Remind(waits, o.Due(waits))
	}
	require.Equal(t, NeedsAttention, o.Shown())
	rest, err := total.Sub(eur(500))
	require.NoError(t, err)
	o.Return("p1", "by hand 1", eur(500), epoch)
	require.Equal(t, NeedsAttention, o.Shown())
	o.Return("p1", "by hand 2", rest, epoch)
	require.Equal(t, Cancelled, o.Shown())
	require.True(t, o.Due(waits).IsZero())
	require.Equal(t, total, o.Repaid())
}

func TestRefundsByTheShop(t *testing.T) {
	t.Parallel()
	o := through(reserve, settle, ship)
	give := func(minor int64, currency string) error {
		a := money.Must(minor, currency)
		return o.Refund(agent, &a, "Sorry.", epoch)
	}
	require.True(t, problem.Is(give(0, "EUR"), "invalid-amount"))
	require.True(t, problem.Is(give(-1, "EUR"), "invalid-amount"))
	require.True(t, problem.Is(give(100, "USD"), "invalid-amount"))
	require.True(t, problem.Is(give(total.Minor()+1, "EUR"), "refund-exceeds-payment"))
	require.NoError(t, give(1000, "EUR"))
	require.True(t, problem.Is(give(total.Minor()-999, "EUR"), "refund-exceeds-payment"), "what is asked for is as good as gone")
	require.NoError(t, o.Refund(agent, nil, "", epoch))
	require.True(t, problem.Is(o.Refund(agent, nil, "", epoch), "refund-exceeds-payment"))
	asks := raised[events.RefundRequested](o)
	require.Equal(t, []string{"shop-1", "shop-2"}, []string{asks[0].Reason, asks[1].Reason}, "payment takes the same reason for a repeat")
	require.Equal(t, total.Minor(), asks[0].Amount.Minor()+asks[1].Amount.Minor())
	entry := o.Timeline[len(o.Timeline)-2]
	require.Equal(t, "The shop is sending 10.00 EUR back to you. Sorry.", entry.Note)
	require.Equal(t, agent.Subject, entry.By)

	for name, o := range map[string]*Order{"unpaid": through(reserve), "cancelled": through(reserve, settle, cancel)} {
		require.True(t, problem.Is(o.Refund(agent, nil, "", epoch), "refund-exceeds-payment"), name)
	}
}

func TestShipment(t *testing.T) {
	t.Parallel()
	o := through(reserve, settle)
	for name, words := range map[string][2]string{
		"two lines":     {"DHL\nBcc: x", ""},
		"markup":        {"<b>DHL", ""},
		"endless":       {strings.Repeat("D", 41), ""},
		"a link":        {"DHL", "https://evil.example"},
		"short number":  {"DHL", "1"},
		"spaced number": {"DHL", "1 2 3 4"},
	} {
		require.True(t, problem.Is(o.Ship(agent, words[0], words[1], epoch), "invalid-shipment"), name)
	}
	require.NoError(t, o.Ship(agent, "UPS", "1Z999", epoch))
	require.Equal(t, "https://www.ups.com/track?tracknum=1Z999", o.Shipment.TrackingURL())
	require.NoError(t, o.Ship(agent, "Deutsche Post", "", epoch), "a correction")
	require.Empty(t, o.Shipment.TrackingURL())
	require.Len(t, raised[events.OrderShipped](o), 1, "a correction is no second parcel")
	before := len(o.Timeline)
	require.NoError(t, o.Ship(agent, "Deutsche Post", "", epoch))
	require.Len(t, o.Timeline, before)
	require.NoError(t, o.Deliver(agent, epoch))
	require.NoError(t, o.Deliver(agent, epoch))
	require.True(t, problem.Is(o.Ship(agent, "UPS", "1Z999", epoch), "order-not-shippable"))
	require.True(t, problem.Is(through(reserve).Deliver(agent, epoch), "order-not-deliverable"))
}

func TestWhatCanBeReturned(t *testing.T) {
	t.Parallel()
	line := func(sku string, n int) []events.OrderLine { return []events.OrderLine{{SKU: sku, Quantity: n}} }
	wish := func(o *Order, at time.Time, lines []events.OrderLine) error {
		_, err := o.RequestReturn(anna, fmt.Sprint("g", len(o.Returns)), lines, "Too small.", at)
		return err
	}
	o := through(reserve, settle, ship, deliver)
	home := o.Shipment.DeliveredAt
	for name, lines := range map[string][]events.OrderLine{
		"nothing": nil, "what was not bought": line("pan", 1), "none of it": line("mug-blue", 0), "less than none": line("mug-blue", -1),
		"more than bought": line("mug-blue", 3), "a line twice": append(line("mug-blue", 1), line("mug-blue", 1)...),
	} {
		require.True(t, problem.Is(wish(o, home, lines), "invalid-return"), name)
	}
	_, err := o.RequestReturn(boris, "g", line("cup", 1), "", home)
	require.True(t, problem.Is(err, "order-not-found"))
	require.True(t, o.Returnable(home.Add(returnTime)))
	require.False(t, o.Returnable(home.Add(returnTime+1)))
	require.True(t, problem.Is(wish(o, home.Add(returnTime+1), line("cup", 1)), "order-not-returnable"))
	for _, early := range []*Order{placed(), through(reserve), through(reserve, settle), through(reserve, settle, cancel)} {
		require.True(t, problem.Is(wish(early, home, line("cup", 1)), "order-not-returnable"), "%s", early.Status)
	}
	require.NoError(t, wish(through(reserve, settle, ship), home.Add(300*24*time.Hour), line("cup", 1)), "a parcel that never arrived")

	require.NoError(t, wish(o, home, line("mug-blue", 2)))
	require.True(t, problem.Is(wish(o, home, line("mug-blue", 1)), "invalid-return"), "they are on their way already")
	require.NoError(t, o.RejectReturn(agent, "g0", "They are broken.", home))
	require.NoError(t, wish(o, home, line("mug-blue", 2)), "what was rejected may be tried again")
	require.NoError(t, wish(o, home, line("cup", 1)))
	require.False(t, o.Returnable(home), "there is nothing left")
	require.True(t, problem.Is(o.ApproveReturn(agent, "g0", "", home), "return-not-open"))
	require.True(t, problem.Is(o.ApproveReturn(agent, "g9", "", home), "return-not-found"))
	require.True(t, problem.Is(o.ReceiveReturn(agent, "g9", "", true, home), "return-not-found"))
	for range maxReturns {
		if err = wish(o, home, line("cup", 1)); err == nil {
			t.Fatal("the cup is gone")
		}
		o.Returns = append(o.Returns, &Return{Status: ReturnRejected})
	}
	require.True(t, problem.Is(err, "order-not-returnable"))
}

func TestPaymentsWordAboutAReturn(t *testing.T) {
	t.Parallel()
	o := through(reserve, settle, ship, deliver, wishReturn, approve, receive)
	r := o.returnOf("g1")
	require.Equal(t, ReturnReceived, r.Status)
	received := raised[events.ReturnReceived](o)
	require.Equal(t, []events.ReturnReceived{{OrderID: "o1", ReturnID: "g1", Lines: r.Lines, Restock: true}}, received)
	require.Equal(t, "return-1", raised[events.RefundRequested](o)[0].Reason)
	o.Return("p1", "r9", *r.Refund, epoch)
	require.Equal(t, ReturnRefunded, r.Status)
	require.Equal(t, *r.Refund, o.Repaid())
}

// However an order is split into returns, and whatever the shop gave back besides: the sum never exceeds what was paid,
// each return is worth what was paid for its pieces to within a unit a line, and the last one gives the exact rest.
func TestReturnsAddUpToWhatWasPaid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var wanted []Wanted
		var sold []Variant
		for i := range rapid.IntRange(1, 5).Draw(t, "lines") {
			sku := fmt.Sprint("sku-", i)
			wanted = append(wanted, Wanted{sku, rapid.IntRange(1, 4).Draw(t, "quantity")})
			sold = append(sold, Variant{SKU: sku, Price: eur(rapid.Int64Range(1, 5000).Draw(t, "price"))})
		}
		country := rapid.SampledFrom([]string{"DE", "FI", "CH", "US", "HU"}).Draw(t, "country")
		q, err := ShopTariff.Quote(wanted, sold, "EUR", "standard", country, claimOf(rapid.SampledFrom(coupons).Draw(t, "coupon")))
		require.NoError(t, err)
		d := draftOf(anna)
		d.Quote = q
		o := Place("SC-2026-TEST001", d, waits, epoch)
		o.Reserve(waits, epoch)
		if !q.Total.IsZero() {
			o.Settle("p1", q.Total, epoch)
		}
		require.NoError(t, o.Ship(agent, "", "", epoch))
		require.NoError(t, o.Deliver(agent, epoch))

		left := map[string]int{}
		for _, w := range wanted {
			left[w.SKU] = w.Quantity
		}
		var returned, given int64
		for n := 0; o.Status == Delivered; n++ {
			if rapid.IntRange(0, 4).Draw(t, "the shop is kind") == 0 && o.Refundable().Minor() > 1 {
				a := eur(rapid.Int64Range(1, o.Refundable().Minor()-1).Draw(t, "kindness"))
				require.NoError(t, o.Refund(agent, &a, "", epoch))
				given += a.Minor()
			}
			var lines []events.OrderLine
			for _, w := range wanted {
				if k := rapid.IntRange(0, left[w.SKU]).Draw(t, w.SKU); k > 0 {
					lines = append(lines, events.OrderLine{SKU: w.SKU, Quantity: k})
					left[w.SKU] -= k
				}
			}
			if len(lines) == 0 {
				continue
			}
			id := fmt.Sprint("g", n)
			r, err := o.RequestReturn(anna, id, lines, "", epoch)
			require.NoError(t, err)
			worth := o.RefundOf(r)
			require.NoError(t, o.ApproveReturn(agent, id, "", epoch))
			require.NoError(t, o.ReceiveReturn(agent, id, "", true, epoch))
			require.Equal(t, worth, *r.Refund, "what is shown is what is paid")
			require.False(t, r.Refund.Negative())
			returned += r.Refund.Minor()
			require.LessOrEqual(t, returned+given, q.Total.Minor())
			if given == 0 && o.Status == Delivered {
				pieces := map[string]int{}
				for _, l := range lines {
					pieces[l.SKU] = l.Quantity
				}
				off := o.worth(pieces) - r.Refund.Minor()
				require.LessOrEqual(t, max(off, -off), int64(len(lines)+1), "each return is worth its pieces")
			}
		}
		require.Equal(t, Returned, o.Status)
		require.Equal(t, q.Total.Minor(), returned+given, "nothing stays with us")
	})
}

func TestAnOrderThatCostsNothingAsksForNoMoney(t *testing.T) {
	t.Parallel()
	q, err := ShopTariff.Quote([]Wanted{{"a", 1}}, []Variant{variant("a", eur(9000))}, "EUR", "standard", "DE",
		claimOf(&Coupon{Code: "GIFT", Kind: Percent, PercentBasisPoints: 10_000, Active: true}))
	require.NoError(t, err)
	require.True(t, q.Total.IsZero())
	d := draftOf(anna)
	d.Quote = q
	o := Place("SC-2026-TEST001", d, waits, epoch)
	o.Reserve(waits, epoch)
	require.Equal(t, Paid, o.Status)
	require.Equal(t, []string{events.TopicOrderPlaced, events.TopicOrderPaid}, told(o))
	require.NoError(t, o.Ship(agent, "", "", epoch))
}

func TestStaffNotesAreNoEntries(t *testing.T) {
	t.Parallel()
	o := placed()
	o.Saved()
	o.AddNote(agent, "Calls every day.", epoch)
	require.Len(t, o.Timeline, 1)
	require.True(t, o.Changed())
	o.Saved()
	for range 3 {
		o.Dispute("d1", "open", total, "fraudulent", epoch)
	}
	o.Dispute("d1", "lost", total, "fraudulent", epoch)
	require.Len(t, o.Notes, 3)
	require.Contains(t, o.Notes[2].Text, "is lost")
}
