package main

import (
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/money"
)

var update = flag.Bool("update", false, "write the mails in testdata anew, to be looked at before they are committed")

var shop = &url.URL{Scheme: "https", Host: "shop.example"}

func anOrder() orderSummary {
	eur := func(minor int64) money.Amount { return money.Must(minor, "EUR") }
	return orderSummary{
		ID: "019ab1c2-7e00-7000-8000-000000000001", Number: "SC-2026-TEST001", PlacedAt: time.Date(2026, 11, 22, 23, 30, 0, 0, time.UTC),
		Email: "anna@example.com", Name: "Anna Berg",
		Lines: []orderLine{
			{"KIT-MUG-01", "Enamel mug, midnight blue", 2, eur(1250), eur(2500)},
			{"KIT-APRON-02", "Linen apron “Bistro” – one size", 1, eur(4900), eur(4900)},
		},
		Address:  address{"Anna Berg", "Hauptstraße 1", "", "Berlin", "", "10115", "DE"},
		Shipment: shipment{"DHL", "JJD000390007882823", "https://www.dhl.de/en/track?piececode=JJD000390007882823"},
		Returns: []goodsReturn{
			{"019ab1c2-7e00-7000-8000-0000000000a1", []orderLine{{SKU: "KIT-MUG-01", Quantity: 1}, {SKU: "KIT-APRON-02", Quantity: 1}}, eur(6420), "Please use the enclosed label."},
		},
		Repaid:   map[string]money.Amount{"refund-1": eur(500)},
		Subtotal: eur(7400), Discount: eur(740), Shipping: eur(490), Tax: eur(1358), Total: eur(8508),
	}
}

func TestMails(t *testing.T) {
	order := anOrder()
	yen := anOrder()
	yen.Lines = []orderLine{{"KIT-BOWL-03", "Tea bowl", 1, money.Must(4800, "JPY"), money.Must(4800, "JPY")}}
	yen.Subtotal, yen.Discount, yen.Shipping = money.Must(4800, "JPY"), money.Must(0, "JPY"), money.Must(600, "JPY")
	yen.Tax, yen.Total = money.Must(540, "JPY"), money.Must(5940, "JPY")
	cases := map[string]func() (mail, error){
		"verify-email": func() (mail, error) {
			return verificationMail(shop, tokenMail{"anna@example.com", "Anna Berg", "dG9rZW4_-w"})
		},
		"reset-password": func() (mail, error) {
			return resetMail(shop, tokenMail{"anna@example.com", "Anna Berg", "dG9rZW4_-w"})
		},
		"change-email": func() (mail, error) {
			return emailChangeMail(shop, tokenMail{"anna@example.com", "Anna Berg", "dG9rZW4_-w"})
		},
		"order-paid":        func() (mail, error) { return paidMail(shop, order) },
		"order-paid-in-yen": func() (mail, error) { return paidMail(shop, yen) },
	}
	for template := range closings {
		cases[template] = func() (mail, error) { return closedMail(shop, order, template) }
	}
	for template := range tidings {
		detail := map[bool]string{true: order.Returns[0].ID, false: "refund-1"}[strings.HasPrefix(template, "return-")]
		cases[template] = func() (mail, error) { return newsMail(shop, order, template, detail) }
	}
	bare := anOrder()
	bare.Shipment = shipment{}
	cases["order-shipped-without-number"] = func() (mail, error) { return newsMail(shop, bare, "order-shipped", "") }
	cases["order-attention"] = func() (mail, error) { return attentionMail(shop, "anna@example.com", order, "refund-not-confirmed") }
	for notice := range notices {
		cases["notice-"+notice] = func() (mail, error) {
			return noticeMail(shop, account{"anna@example.com", "Anna Berg"}, notice, order.PlacedAt)
		}
	}
	mug := offer{"KIT-MUG-01", "enamel-mug", "Enamel mug, midnight blue", money.Must(1250, "EUR")}
	cases["back-in-stock"] = func() (mail, error) {
		return backInStockMail(shop, account{"anna@example.com", "Anna Berg"}, mug, "backInStock.019ab1c2.SECRET")
	}
	low := []lowItem{{"KIT-MUG-01", mug.Name, 0, 5}, {"KIT-APRON-02", "", 3, 4}}
	cases["stock-low"] = func() (mail, error) { return stockLowMail(shop, "anna@example.com", low) }
	cases["stock-low-of-one"] = func() (mail, error) { return stockLowMail(shop, "anna@example.com", low[:1]) }
	for name, render := range cases {
		t.Run(name, func(t *testing.T) {
			m, err := render()
			require.NoError(t, err)
			require.Equal(t, "anna@example.com", m.To)
			for _, file := range []struct{ name, body string }{
				{name + ".html", m.HTML}, {name + ".txt", "Subject: " + m.Subject + "\n\n" + m.Text},
			} {
				path := filepath.Join("testdata", file.name)
				if *update {
					require.NoError(t, os.WriteFile(path, []byte(file.body), 0o644))
				}
				want, err := os.ReadFile(path)
				require.NoError(t, err)
				require.Equal(t, string(want), file.body, "if this is meant: go test ./services/notification -update")
			}
		})
	}
}

// Everything that people write themselves is text in a mail, never markup, a line or a header of its own.
func TestWhatPeopleWriteIsEscaped(t *testing.T) {
	const evil = `<script>alert("1")</script>`
	order := anOrder()
	order.Name, order.Lines[0].Name, order.Address.Line1 = evil, evil, evil
	order.Number = "SC-1\r\nBcc: everybody@example.com"
	paid, err := paidMail(shop, order)
	require.NoError(t, err)
	closed, err := closedMail(shop, order, "order-expired")
	require.NoError(t, err)
	verify, err := verificationMail(shop, tokenMail{"a@example.com", evil + "\n\nYou have won. Visit", `"><script>`})
	require.NoError(t, err)
	order.Returns[0].Note, order.Shipment.Carrier = evil, evil
	shipped, err := newsMail(shop, order, "order-shipped", "")
	require.NoError(t, err)
	approved, err := newsMail(shop, order, "return-approved", order.Returns[0].ID)
	require.NoError(t, err)
	for _, m := range []mail{paid, closed, verify, shipped, approved} {
		require.NotContains(t, m.HTML, "<script")
		require.Contains(t, m.HTML, "&lt;script&gt;alert")
		require.NotContains(t, m.Subject, "\n")
		require.NotContains(t, m.Subject, "\r")
	}
	require.Contains(t, verify.Text, `Hello <script>alert("1")</script> You have won. Visit,`, "text is not HTML, and a name is one line")
	require.Contains(t, verify.HTML, "token=%22%3E%3Cscript%3E")
}

func TestEveryMailSaysTheSameTwice(t *testing.T) {
	m, err := paidMail(shop, anOrder())
	require.NoError(t, err)
	for _, fact := range []string{"SC-2026-TEST001", "Anna Berg", "Enamel mug", "€25.00", "€85.08", "Hauptstraße 1", "10115 Berlin", "22 November 2026", "https://shop.example/orders/019ab1c2-7e00-7000-8000-000000000001"} {
		require.Contains(t, m.HTML, fact)
		require.Contains(t, m.Text, fact)
	}
	news, err := newsMail(shop, anOrder(), "order-placed", "")
	require.NoError(t, err)
	for line := range strings.Lines(m.Text + news.Text) {
		require.LessOrEqual(t, len([]rune(line)), 90)
	}
}

func TestNoSuchMail(t *testing.T) {
	_, err := closedMail(shop, anOrder(), "order-lost-at-sea")
	require.Error(t, err)
	_, err = newsMail(shop, anOrder(), "order-lost-at-sea", "")
	require.Error(t, err)
	for _, template := range []string{"order-refunded", "return-approved"} {
		_, err = newsMail(shop, anOrder(), template, "unheard of")
		require.ErrorIs(t, err, errPointless, template)
	}
}

// Alerts go to people who have no business with a customer's name, address or purchases.
func TestAlertsHaveNobodysNameInThem(t *testing.T) {
	m, err := attentionMail(shop, "operators@sidecart.example", anOrder(), "refund-not-confirmed")
	require.NoError(t, err)
	require.Equal(t, "operators@sidecart.example", m.To)
	for _, personal := range []string{"Anna", "anna@", "Hauptstraße", "Enamel"} {
		require.NotContains(t, m.HTML+m.Text+m.Subject, personal)
	}
}
