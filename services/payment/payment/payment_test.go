package payment

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/money"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	price = money.Must(1999, "EUR")
)

func request(attempt int) events.PaymentRequested {
	return events.PaymentRequested{
		OrderID: "order-1", Number: "SC-1", Amount: price, Provider: "stripe", Method: "pm_card_visa",
		ReturnURL: "https://shop.example/orders/order-1", Attempt: attempt,
	}
}

func captured(ref string) Answer {
	return Answer{Outcome: OutcomeCaptured, Reference: ref, Amount: price}
}

func topics(p *Payment) []string {
	names := []string{}
	for _, f := range p.facts {
		names = append(names, f.Topic())
	}
	return names
}

func TestLearn(t *testing.T) {
	action := Answer{Outcome: OutcomeActionRequired, Reference: "pi_1", RedirectURL: "https://bank.example/3ds"}
	declined := Answer{Outcome: OutcomeFailed, Reference: "pi_1", Code: "insufficient_funds"}
	voided := Answer{Outcome: OutcomeVoided, Reference: "pi_1"}
	pending := Answer{Outcome: OutcomePending, Reference: "pi_1"}
	approved := Answer{Outcome: OutcomeApproved, Reference: "pi_1"}
	cheap := Answer{Outcome: OutcomeCaptured, Reference: "pi_1", Amount: money.Must(1998, "EUR")}
	dollars := Answer{Outcome: OutcomeCaptured, Reference: "pi_1", Amount: money.Must(1999, "USD")}
	paid := captured("pi_1")

	for name, c := range map[string]struct {
		answers []Answer
		closed  bool
		state   State
		told    []string
	}{
		"captured":                     {[]Answer{paid}, false, Captured, []string{events.TopicPaymentCaptured}},
		"captured twice":               {[]Answer{paid, paid}, false, Captured, []string{events.TopicPaymentCaptured}},
		"pending":                      {[]Answer{pending}, false, Started, []string{}},
		"approved":                     {[]Answer{action, action, paid}, false, Captured, []string{events.TopicPaymentActionRequired, events.TopicPaymentCaptured}},
		"approved, then taken":         {[]Answer{action, approved, approved, paid, approved}, false, Captured, []string{events.TopicPaymentActionRequired, events.TopicPaymentCaptured}},
		"approved is not taken":        {[]Answer{action, approved}, false, ActionRequired, []string{events.TopicPaymentActionRequired}},
		"approval arrives last":        {[]Answer{paid, action}, false, Captured, []string{events.TopicPaymentCaptured}},
		"declined":                     {[]Answer{declined, declined}, false, Failed, []string{events.TopicPaymentFailed}},
		"declined after approval":      {[]Answer{action, declined, action}, false, Failed, []string{events.TopicPaymentActionRequired, events.TopicPaymentFailed}},
		"decline arrives after paid":   {[]Answer{paid, declined}, false, Captured, []string{events.TopicPaymentCaptured}},
		"money after a decline counts": {[]Answer{declined, paid}, false, Captured, []string{events.TopicPaymentFailed, events.TopicPaymentCaptured}},
		"cancelled at the provider":    {[]Answer{voided}, false, Failed, []string{events.TopicPaymentFailed}},
		"voided by us":                 {[]Answer{action, voided}, true, Voided, []string{}},
		"money after closing is told":  {[]Answer{voided, paid}, true, Captured, []string{events.TopicPaymentCaptured}},
		"a cent short":                 {[]Answer{cheap, cheap}, false, Stray, []string{events.TopicPaymentFailed}},
		"another currency":             {[]Answer{dollars}, false, Stray, []string{events.TopicPaymentFailed}},
		"a cent short after a decline": {[]Answer{declined, cheap}, false, Stray, []string{events.TopicPaymentFailed}},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Payment{OrderID: "order-1"}
			p.Request("a1", request(1))
			if c.closed {
				p.Close()
			}
			for i, ans := range c.answers {
				p.Learn(1, ans, fmt.Sprint("r", i), noon)
			}
			require.Equal(t, c.state, p.Attempts[0].State)
			require.Equal(t, c.told, topics(p))
			if c.state == Stray {
				require.Len(t, p.Refunds, 1)
				require.Equal(t, c.answers[len(c.answers)-1].Amount, p.Refunds[0].Amount)
				p.LearnRefund(p.Refunds[0].ID, RefundAnswer{State: Refunded, Amount: p.Refunds[0].Amount})
				require.Equal(t, c.told, topics(p), "nobody was told of the money, nor is anybody told of its return")
			}
		})
	}
}

func TestApprovalIsLookedAtAtOnce(t *testing.T) {
	p := &Payment{OrderID: "order-1"}
	p.Request("a1", request(1))
	p.Learn(1, Answer{Outcome: OutcomeActionRequired, Reference: "pi_1", RedirectURL: "https://bank.example"}, "r", noon)
	require.False(t, p.Attempts[0].Urgent)
	p.Learn(1, Answer{Outcome: OutcomeApproved, Reference: "pi_1"}, "r", noon)
	require.True(t, p.Attempts[0].Urgent)
	p.Close()
	p.Learn(1, Answer{Outcome: OutcomeApproved, Reference: "pi_1"}, "r", noon)
	require.False(t, p.Attempts[0].Urgent, "what is to be voided is not taken, and not asked in a loop")
}

// The provider forgot our key and took the money again: nothing is told, but a person is to see it.
func TestSecondCaptureUnderOneKey(t *testing.T) {
	p := &Payment{OrderID: "order-1"}
	p.Request("a1", request(1))
	p.Learn(1, captured("pi_1"), "r1", noon)
	p.Learn(1, captured("pi_1"), "r2", noon)
	require.Empty(t, p.Attempts[0].Failure)
	p.Learn(1, captured("pi_2"), "r3", noon)
	require.Equal(t, Captured, p.Attempts[0].State)
	require.Equal(t, "second_capture pi_2", p.Attempts[0].Failure)
	require.Equal(t, []string{events.TopicPaymentCaptured}, topics(p))
}

func TestRequest(t *testing.T) {
	t.Run("a repeat changes nothing", func(t *testing.T) {
		p := &Payment{OrderID: "order-1"}
		for range 10 {
			p.Request("a1", request(1))
		}
		require.Len(t, p.Attempts, 1)
	})
	t.Run("a newer attempt closes the older", func(t *testing.T) {
		p := &Payment{OrderID: "order-1"}
		p.Request("a1", request(1))
		p.Request("a2", request(2))
		require.True(t, p.Attempts[0].Closing)
		require.False(t, p.Attempts[1].Closing)
	})
	t.Run("an older attempt that comes late is given up", func(t *testing.T) {
		p := &Payment{OrderID: "order-1"}
		p.Request("a2", request(2))
		p.Request("a1", request(1))
		require.Equal(t, Started, p.Attempts[0].State)
		require.Equal(t, Voided, p.Attempts[1].State)
		require.Empty(t, p.facts)
	})
	t.Run("a closed order is not charged", func(t *testing.T) {
		p := &Payment{OrderID: "order-1"}
		p.Close()
		p.Request("a1", request(1))
		require.Equal(t, Voided, p.Attempts[0].State)
		require.Empty(t, p.facts)
	})
	t.Run("a paid order is not charged", func(t *testing.T) {
		p := &Payment{OrderID: "order-1"}
		p.Request("a1", request(1))
		p.Learn(1, captured("pi_1"), "r1", noon)
		p.Request("a2", request(2))
		require.Equal(t, Voided, p.Attempts[1].State)
	})
	for name, method := range map[string]string{
		"a card number":           "4242424242424242",
		"a card number in a name": "pm_4242424242424242",
		"a sentence":              "pm_card visa",
		"nothing":                 "",
		"another vocabulary":      "tok_visa",
	} {
		t.Run(name+" is no method and is not kept", func(t *testing.T) {
			p := &Payment{OrderID: "order-1"}
			r := request(1)
			r.Method = method
			p.Request("a1", r)
			require.Equal(t, Failed, p.Attempts[0].State)
			require.Empty(t, p.Attempts[0].Method)
			require.Equal(t, []events.Fact{events.PaymentFailed{OrderID: "order-1", PaymentID: "a1", Code: "invalid_method", Attempt: 1}}, p.facts)
		})
	}
	t.Run("each provider has methods of its own", func(t *testing.T) {
		for r, code := range map[[2]string]string{
			{"paypal", "paypal"}: "", {"paypal", "pm_card_visa"}: "invalid_method", {"stripe", "paypal"}: "invalid_method",
			{"paypal", ""}: "invalid_method", {"barter", "paypal"}: "unknown_provider", {"", ""}: "unknown_provider",
		} {
			p, e := &Payment{OrderID: "order-1"}, request(1)
			e.Provider, e.Method = r[0], r[1]
			p.Request("a1", e)
			require.Equal(t, code, p.Attempts[0].Failure, r)
		}
	})
	t.Run("methods of Stripe pass", func(t *testing.T) {
		for _, m := range []string{"pm_card_visa", "pm_card_threeDSecure2Required", "pm_1MqLiJLkdIwHu7ixUEgbFdYF"} {
			require.True(t, methodReference(m), m)
		}
	})
}

func TestReturn(t *testing.T) {
	paid := func() *Payment {
		p := &Payment{OrderID: "order-1"}
		p.Request("a1", request(1))
		p.Learn(1, captured("pi_1"), "r0", noon)
		return p
	}
	ask := func(reason string, minor int64) events.RefundRequested {
		return events.RefundRequested{OrderID: "order-1", PaymentID: "a1", Amount: money.Must(minor, "EUR"), Reason: reason}
	}
	t.Run("once per reason, told once", func(t *testing.T) {
		p := paid()
		for range 10 {
			p.Return("r1", ask("cancelled", 1999))
		}
		require.Len(t, p.Refunds, 1)
		for range 10 {
			p.LearnRefund("r1", RefundAnswer{State: Refunded, Reference: "re_1", Amount: price})
		}
		require.Equal(t, []string{events.TopicPaymentCaptured, events.TopicPaymentRefunded}, topics(p))
	})
	t.Run("never more than was taken", func(t *testing.T) {
		p := paid()
		p.Return("r1", ask("return-1", 1000))
		p.Return("r2", ask("return-2", 999))
		p.Return("r3", ask("return-3", 1))
		require.Equal(t, []RefundState{RefundRequested, RefundRequested, RefundRefused},
			[]RefundState{p.Refunds[0].State, p.Refunds[1].State, p.Refunds[2].State})
	})
	t.Run("what failed may be asked again, for another reason", func(t *testing.T) {
		p := paid()
		p.Return("r1", ask("cancelled", 1999))
		p.LearnRefund("r1", RefundAnswer{State: RefundFailed, Code: "expired_or_canceled_card"})
		p.Return("r2", ask("cancelled again", 1999))
		require.Equal(t, RefundRequested, p.Refunds[1].State)
	})
	t.Run("not of another currency, of a stranger's payment, nor of less than nothing", func(t *testing.T) {
		p := paid()
		p.Return("r1", events.RefundRequested{OrderID: "order-1", PaymentID: "a1", Amount: money.Must(1, "USD"), Reason: "a"})
		p.Return("r2", events.RefundRequested{OrderID: "order-1", PaymentID: "a9", Amount: money.Must(1, "EUR"), Reason: "b"})
		p.Return("r3", ask("c", -1))
		for _, f := range p.Refunds {
			require.Equal(t, RefundRefused, f.State)
		}
	})
}

// Whatever is heard, how often and in which order: an order is told as paid at most once, money that moved is never
// overlooked, and it is never given back beyond what was taken.
func TestAnyOrderOfEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &Payment{OrderID: "order-1"}
		taken := map[int]money.Amount{} // what the provider took, by attempt: decided once, as a provider would
		var asked int64
		steps := rapid.IntRange(1, 40).Draw(t, "steps")
		for i := range steps {
			number := rapid.IntRange(1, 3).Draw(t, "attempt")
			switch rapid.SampledFrom([]string{"request", "close", "answer", "capture", "refund", "refunded"}).Draw(t, "heard") {
			case "request":
				p.Request(fmt.Sprint("a", number), request(number))
			case "close":
				p.Close()
			case "answer":
				p.Learn(number, Answer{
					Outcome:   rapid.SampledFrom([]Outcome{OutcomePending, OutcomeActionRequired, OutcomeApproved, OutcomeFailed, OutcomeVoided}).Draw(t, "outcome"),
					Reference: fmt.Sprint("pi_", number), RedirectURL: "https://bank.example", Code: "card_declined",
				}, fmt.Sprint("stray", i), noon)
			case "capture":
				if p.attempt(number) == nil {
					continue
				}
				if _, ok := taken[number]; !ok {
					taken[number] = rapid.SampledFrom([]money.Amount{price, price, money.Must(5, "EUR")}).Draw(t, "amount")
				}
				p.Learn(number, Answer{Outcome: OutcomeCaptured, Reference: fmt.Sprint("pi_", number), Amount: taken[number]}, fmt.Sprint("stray", i), noon)
			case "refund":
				asked++
				minor := rapid.Int64Range(1, 1999).Draw(t, "minor")
				p.Return(fmt.Sprint("r", i), events.RefundRequested{
					OrderID: "order-1", PaymentID: fmt.Sprint("a", number), Amount: money.Must(minor, "EUR"),
					Reason: fmt.Sprint("reason ", rapid.IntRange(1, 5).Draw(t, "reason")),
				})
			case "refunded":
				for _, f := range p.Refunds {
					p.LearnRefund(f.ID, RefundAnswer{State: Refunded, Reference: "re", Amount: f.Amount})
				}
			}
		}

		told, settled := 0, 0
		for _, f := range p.facts {
			if _, ok := f.(events.PaymentCaptured); ok {
				told++
			}
		}
		for _, a := range p.Attempts {
			if a.State == Captured {
				settled++
			}
			if sum, ok := taken[a.Number]; ok {
				require.Contains(t, []State{Captured, Stray}, a.State, "attempt %d took money", a.Number)
				var back int64
				for _, f := range p.Refunds {
					if f.AttemptID == a.ID && (f.State == RefundRequested || f.State == Refunded) {
						back += f.Amount.Minor()
					}
				}
				require.LessOrEqual(t, back, sum.Minor())
				require.True(t, a.State == Captured || back == sum.Minor(), "stray money goes back in full")
			}
		}
		require.LessOrEqual(t, told, 1)
		require.Equal(t, settled, told)
		for _, sum := range taken {
			if sum == price {
				require.Equal(t, 1, told, "the first full payment settles the order")
			}
		}
	})
}
