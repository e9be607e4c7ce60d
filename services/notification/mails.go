package main

import (
	"embed"
	"fmt"
	htmltemplate "html/template"
	"io"
	"net/url"
	"strings"
	texttemplate "text/template"
	"time"
	"unicode/utf8"

	"github.com/sidecart/sidecart/internal/money"
)

//go:embed templates
var templates embed.FS

var functions = map[string]any{"price": price, "date": date, "moment": moment, "wrap": wrap}

// layouts are the mails by name, each as HTML inside the common layout and as text.
var layouts = map[string]layout{
	"verify-email":    parse("verify-email"),
	"reset-password":  parse("reset-password"),
	"change-email":    parse("change-email"),
	"security-notice": parse("security-notice"),
	"order-paid":      parse("order-paid"),
	"order-closed":    parse("order-closed"),
	"order-news":      parse("order-news"),
	"alert":           parse("alert"),
	"back-in-stock":   parse("back-in-stock"),
}

type layout struct {
	html *htmltemplate.Template
	text *texttemplate.Template
}

func parse(name string) layout {
	return layout{
		htmltemplate.Must(htmltemplate.New("layout.html.tmpl").Funcs(functions).ParseFS(templates, "templates/layout.html.tmpl", "templates/"+name+".html.tmpl")),
		texttemplate.Must(texttemplate.New(name+".txt.tmpl").Funcs(functions).ParseFS(templates, "templates/"+name+".txt.tmpl")),
	}
}

// mail is what goes out. Unsubscribe is where a mail program ends mails of this kind, "" if there is nothing to end.
type mail struct{ To, Subject, HTML, Text, Unsubscribe string }

// page is what the templates see.
type page struct {
	Subject, Preview, Title, Name string
	Shop, ShopName                string
	Link, LinkText                string
	Order                         orderSummary
	Sums                          []sum
	Closing                       closing
	News                          news
	Offer                         offer
	Unsubscribe                   string // page
	At                            time.Time
}

type sum struct{ Label, Amount string }

// news is what happened to an order, in words.
type news struct {
	Said  []string // paragraphs
	Items []string // pieces that it is about
	Facts []fact
	Lines bool // show what was ordered
}

// fact is a line with a label; a Link makes it one.
type fact struct{ Label, Text, Link string }

// closing is how an order ended, or what happened to an account, in words: Next is what becomes of the money, or what to
// do if it was somebody else.
type closing struct{ Subject, Title, Reason, Next string }

const notCharged = "You have not been charged. Should a payment still arrive, it goes back to you by itself."

// closings are the ways in which an order ends without a purchase. "order-closed" is for one that has no words yet.
var closings = map[string]closing{
	"order-rejected": {
		"Your order %s could not be completed", "Sold out, we are sorry",
		"Something in your order was sold out at the moment you placed it, so we could not complete it.", notCharged,
	},
	"order-payment-failed": {
		"Your order %s could not be completed", "The payment did not work",
		"Your payment was refused, so we could not complete your order. You may try again with another card.", notCharged,
	},
	"order-expired": {
		"Your order %s could not be completed", "We waited for your payment",
		"Your payment did not arrive in time, so we could not complete your order and released what was held for it.", notCharged,
	},
	"order-cancelled": {
		"Your order %s is cancelled", "Your order is cancelled",
		"Your order is cancelled, as requested.", "If you have paid already, your money goes back to you the way it came. That takes a few days at some banks.",
	},
	"order-closed": {
		"Your order %s could not be completed", "We could not complete your order",
		"Your order could not be completed.", "If you have paid already, your money goes back to you the way it came.",
	},
}

// paidMail tells that the money has arrived: the receipt.
func paidMail(shop *url.URL, o orderSummary) (mail, error) {
	p := orderPage(shop, o)
	p.Subject, p.Title = "Order "+o.Number+" is paid", "Thank you for your order"
	p.Preview = "We are packing it. Total: " + price(o.Total)
	p.Sums = []sum{{"Subtotal", price(o.Subtotal)}}
	if !o.Discount.IsZero() {
		p.Sums = append(p.Sums, sum{"Discount", "−" + price(o.Discount)})
	}
	p.Sums = append(p.Sums, sum{"Shipping", price(o.Shipping)}, sum{"Tax", price(o.Tax)})
	return render("order-paid", shop, o.Email, p)
}

// closedMail tells that an order ended without a purchase.
func closedMail(shop *url.URL, o orderSummary, template string) (mail, error) {
	c, ok := closings[template]
	if !ok {
		return mail{}, fmt.Errorf("there is no mail %q", template)
	}
	p := orderPage(shop, o)
	p.Closing, p.Subject, p.Title, p.Preview = c, fmt.Sprintf(c.Subject, o.Number), c.Title, c.Reason
	return render("order-closed", shop, o.Email, p)
}

// tidings are the mails about what happens to an order beside its payment and its end. Each says what there is to say of
// the part of the order that it is about, or that there is no such part.
var tidings = map[string]func(p *page, detail string) error{
	"order-placed": func(p *page, _ string) error {
		p.Subject, p.Title = "We have received your order "+p.Order.Number, "We have received your order"
		p.News = news{Lines: true, Said: []string{
			"Thank you. We are making sure that everything is in stock, and wait for your payment.",
			"As soon as it has arrived you will hear from us again. Should your bank or PayPal still have to hear from you, you find the way there on the page of your order.",
		}}
		return nil
	},
	"order-shipped": func(p *page, _ string) error {
		p.Subject, p.Title = "Your order "+p.Order.Number+" is on its way", "Your parcel is on its way"
		p.News = news{Lines: true, Said: []string{"We have handed your parcel over."}}
		if s := p.Order.Shipment; s.Carrier != "" {
			p.News.Facts = append(p.News.Facts, fact{"Carrier", s.Carrier, ""})
		}
		if s := p.Order.Shipment; s.TrackingNumber != "" {
			p.News.Facts = append(p.News.Facts, fact{"Tracking number", s.TrackingNumber, s.TrackingURL})
		}
		return nil
	},
	"order-delivered": func(p *page, _ string) error {
		p.Subject, p.Title = "Your order "+p.Order.Number+" has arrived", "Your parcel has arrived"
		p.News = news{Said: []string{
			"We hope that you like what is in it.",
			"Should something not be right, you can send it back within thirty days, from the page of your order.",
		}}
		return nil
	},
	"order-refunded": func(p *page, refundID string) error {
		amount, known := p.Order.Repaid[refundID]
		if !known {
			return fmt.Errorf("%w: no such refund", errPointless)
		}
		p.Subject, p.Title = price(amount)+" of your order "+p.Order.Number+" went back to you", "Your money is on its way back"
		p.News = news{Said: []string{
			"We have sent " + price(amount) + " back to you, the way it came.",
			"It takes a few days at some banks until you see it.",
		}}
		return nil
	},
	"return-requested": func(p *page, returnID string) error {
		p.Subject, p.Title = "Your return of order "+p.Order.Number, "We have received your request"
		return p.aboutReturn(returnID, false, "You would like to send something back. We look at it and answer soon; please wait for that before you send anything.")
	},
	"return-approved": func(p *page, returnID string) error {
		p.Subject, p.Title = "Your return of order "+p.Order.Number+" is approved", "Your return is approved"
		return p.aboutReturn(returnID, true, "Please send the goods back to us, well packed. As soon as they are here, your money goes back to you the way it came.")
	},
	"return-rejected": func(p *page, returnID string) error {
		p.Subject, p.Title = "Your return of order "+p.Order.Number+" cannot be accepted", "We cannot accept your return"
		return p.aboutReturn(returnID, false, "We are sorry: we cannot take these goods back.")
	},
}

// aboutReturn says which pieces a return is of, and what goes back for them.
func (p *page) aboutReturn(id string, refund bool, said ...string) error {
	for _, r := range p.Order.Returns {
		if r.ID != id {
			continue
		}
		p.News.Said = said
		if r.Note != "" {
			p.News.Said = append(p.News.Said, oneLine(r.Note))
		}
		for _, l := range r.Lines {
			p.News.Items = append(p.News.Items, fmt.Sprintf("%d × %s", l.Quantity, p.Order.nameOf(l.SKU)))
		}
		if refund {
			p.News.Facts = []fact{{"Goes back to you", price(r.Refund), ""}}
		}
		return nil
	}
	return fmt.Errorf("%w: no such return", errPointless)
}

func (o orderSummary) nameOf(sku string) string {
	for _, l := range o.Lines {
		if l.SKU == sku {
			return l.Name
		}
	}
	return sku
}

// newsMail tells of something that happened to an order.
func newsMail(shop *url.URL, o orderSummary, template, detail string) (mail, error) {
	tell, ok := tidings[template]
	if !ok {
		return mail{}, fmt.Errorf("there is no mail %q", template)
	}
	p := orderPage(shop, o)
	if err := tell(&p, detail); err != nil {
		return mail{}, err
	}
	p.Preview = p.News.Said[0]
	return render("order-news", shop, o.Email, p)
}

// attentionMail calls the operators to an order that cannot go on without a person. It has no name and no address in it.
func attentionMail(shop *url.URL, to string, o orderSummary, reason string) (mail, error) {
	p := page{Order: orderSummary{Number: o.Number}, Link: shop.JoinPath("admin", "orders", o.ID).String(), LinkText: "Open it in the back office"}
	p.Subject, p.Title = "Order "+o.Number+" needs attention", "An order needs attention"
	p.News = news{Said: []string{"Order " + o.Number + " cannot go on without a person."}, Facts: []fact{{"Reason", reason, ""}}}
	p.Preview = p.News.Said[0]
	return render("alert", shop, to, p)
}

func orderPage(shop *url.URL, o orderSummary) page {
	return page{Name: o.Name, Order: o, Link: shop.JoinPath("orders", o.ID).String(), LinkText: "See your order"}
}

func render(name string, shop *url.URL, to string, p page) (mail, error) {
	p.Shop, p.ShopName, p.Name = shop.String(), shop.Host, oneLine(p.Name)
	var html, text strings.Builder
	l := layouts[name]
	for _, t := range []struct {
		execute func(w io.Writer, data any) error
		out     *strings.Builder
	}{{l.html.Execute, &html}, {l.text.Execute, &text}} {
		if err := t.execute(t.out, p); err != nil {
			return mail{}, fmt.Errorf("render mail %s: %w", name, err)
		}
	}
	return mail{To: to, Subject: oneLine(p.Subject), HTML: html.String(), Text: text.String()}, nil
}

// oneLine keeps a name from adding lines of its own to a text.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// wrap breaks a paragraph of a text mail into lines of at most 72 characters, unless a word is longer.
func wrap(paragraph string) string {
	var b strings.Builder
	width := 0
	for word := range strings.FieldsSeq(paragraph) {
		n := utf8.RuneCountInString(word)
		switch {
		case width == 0:
		case width+1+n > 72:
			b.WriteByte('\n')
			width = 0
		default:
			b.WriteByte(' ')
			width++
		}
		b.WriteString(word)
		width += n
	}
	return b.String()
}

// AddressLines is the address as it stands on a parcel.
func (p page) AddressLines() []string {
	a := p.Order.Address
	var lines []string
	for _, line := range []string{a.Name, a.Line1, a.Line2, a.PostalCode + " " + a.City, a.Region, a.Country} {
		if line = oneLine(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

var symbols = map[string]string{"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}

// price writes "€19.99" where everybody knows the sign, and "19.990 KWD" elsewhere.
func price(a money.Amount) string {
	number, currency, _ := strings.Cut(a.String(), " ")
	if symbol, ok := symbols[currency]; ok {
		return symbol + number
	}
	return a.String()
}

func date(t time.Time) string { return t.UTC().Format("2 January 2006") }

func moment(t time.Time) string { return t.UTC().Format("2 January 2006 at 15:04 UTC") }
