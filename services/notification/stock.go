package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/web"
)

// stockSubscriptions is what we hear about the stock.
func stockSubscriptions() []outbox.Subscription {
	return []outbox.Subscription{
		{Producer: "inventory", Topic: events.TopicStockAvailabilityChanged, Apply: availabilityChanged},
		{Producer: "inventory", Topic: events.TopicStockLow, Apply: stockLow},
	}
}

// availabilityChanged remembers that a SKU is back, for those who wish for it, or that it is gone again before they were told.
// Facts come in any order; the highest version holds.
func availabilityChanged(ctx context.Context, tx pgx.Tx, e events.Envelope) error {
	fact, err := outbox.Decode[events.StockAvailabilityChanged](e)
	if err != nil {
		return err
	}
	if fact.SKU == "" || fact.Version < 1 {
		return fmt.Errorf("%w: availability of nothing", events.ErrMalformed)
	}
	_, err = tx.Exec(ctx, `
		insert into restocks (sku, version, event_id, back_at, waiting, trace) values ($1, $2, $3, $4, $5, $6)
		on conflict (sku) do update set version = excluded.version, event_id = excluded.event_id, back_at = excluded.back_at,
			waiting = excluded.waiting, trace = excluded.trace, after = '', leased_until = null
		where restocks.version < excluded.version`,
		fact.SKU, fact.Version, e.ID, e.Time, fact.InStock, web.TraceParent(ctx))
	if err != nil {
		return fmt.Errorf("note that %s is back: %w", fact.SKU, err)
	}
	return nil
}

const (
	lowTogether = 30 * time.Second // what runs low within it is told in one mail
	lowPause    = time.Hour        // between two such mails
	lowAgain    = 24 * time.Hour   // in which a SKU is told once
	lowLife     = 24 * time.Hour
)

// stockLow owes the operators a mail about all that ran low, at most one an hour, and about each SKU at most one a day. What
// runs low while a mail waits goes into it.
func stockLow(ctx context.Context, tx pgx.Tx, e events.Envelope) error {
	fact, err := outbox.Decode[events.StockLow](e)
	if err != nil {
		return err
	}
	if fact.SKU == "" || fact.Threshold < 0 {
		return fmt.Errorf("%w: nothing is low", events.ErrMalformed)
	}
	id := uuid.Must(uuid.NewV7()).String()
	added, err := tx.Exec(ctx, `
		with open as (
			select id from messages where about = $4 and template = 'stock-low' and state = 'waiting' and (leased_until is null or leased_until <= now())
			order by id limit 1 for update
		)
		insert into low_stock (sku, threshold, message_id) select $1, $2, coalesce((select id from open), $3)
		on conflict (sku) do update set threshold = excluded.threshold, message_id = excluded.message_id, noted_at = now()
		where low_stock.noted_at < now() - $5::interval
			or not exists (select from messages m where m.id = low_stock.message_id and m.state in ('waiting', 'sent'))`, fact.SKU, fact.Threshold, id, aboutStock, lowAgain)
	if err != nil || added.RowsAffected() == 0 {
		return wrapped(err, "note that %s is low", fact.SKU)
	}
	_, err = tx.Exec(ctx, `
		with due as (
			select greatest(now() + $5::interval, max(sent_at) + $6::interval) as at from messages where about = $3 and template = 'stock-low'
		)
		insert into messages (id, event_id, template, recipient, about, trace, expires_at, due_at)
		select $1, $2, 'stock-low', $4, $3, $7, due.at + $8::interval, due.at from due
		where exists (select from low_stock where message_id = $1)`,
		id, e.ID, aboutStock, operators, lowTogether, lowPause, web.TraceParent(ctx), lowLife)
	return wrapped(err, "owe a mail about low stock")
}

// aboutStock is what a mail about low stock is about: not one SKU, but all that ran low.
const aboutStock = "stock"

func wrapped(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// offer is what catalog sells under a SKU.
type offer struct {
	SKU   string       `json:"sku"`
	Slug  string       `json:"slug"`
	Name  string       `json:"name"`
	Price money.Amount `json:"price"`
}

// offers asks catalog what is sold under SKUs, in a currency. What is not is absent.
func (o owners) offers(ctx context.Context, currency string, skus ...string) (map[string]offer, error) {
	var found web.Page[offer]
	query := url.Values{"skus": {strings.Join(skus, ",")}}
	if currency != "" {
		query.Set("currency", currency)
	}
	if err := o.call(ctx, "catalog", http.MethodGet, "/variants?"+query.Encode(), nil, &found); err != nil {
		return nil, err
	}
	offers := map[string]offer{}
	for _, item := range found.Items {
		offers[item.SKU] = item
	}
	return offers, nil
}

// available asks inventory how many pieces of SKUs can be bought.
func (o owners) available(ctx context.Context, skus ...string) (map[string]int64, error) {
	var found web.Page[struct {
		SKU       string `json:"sku"`
		Available int64  `json:"available"`
	}]
	if err := o.call(ctx, "inventory", http.MethodGet, "/stock?skus="+url.QueryEscape(strings.Join(skus, ",")), nil, &found); err != nil {
		return nil, err
	}
	available := map[string]int64{}
	for _, item := range found.Items {
		available[item.SKU] = item.Available
	}
	return available, nil
}

// preferences is what a customer agrees to be mailed, and the tokens by which each kind of mail is ended.
type preferences struct {
	Currency    string                            `json:"currency"`
	Consents    map[string]struct{ Granted bool } `json:"consents"`
	Unsubscribe map[string]string                 `json:"unsubscribe"`
}

func (o owners) preferences(ctx context.Context, customer string) (p preferences, err error) {
	err = o.call(ctx, "client", http.MethodGet, "/customers/"+url.PathEscape(customer)+"/preferences", nil, &p)
	return p, gone(err)
}

// backInStock is the purpose of mails about wishes, as client calls it.
const backInStock = "backInStock"

// writeAboutStock writes m if it is about the stock; mine is false if it is not.
func (w *writer) writeAboutStock(ctx context.Context, m Message) (written mail, mine bool, err error) {
	switch m.Template {
	case "stock-low":
		written, err = w.writeStockLow(ctx, m)
	case "back-in-stock":
		written, err = w.writeBackInStock(ctx, m)
	default:
		return mail{}, false, nil
	}
	return written, true, err
}

// writeBackInStock tells somebody that a wish can be had again, if they still want to hear of it and it still can be.
func (w *writer) writeBackInStock(ctx context.Context, m Message) (mail, error) {
	p, err := w.owners.preferences(ctx, m.Recipient)
	if err != nil {
		return mail{}, err
	}
	if !p.Consents[backInStock].Granted {
		return mail{}, fmt.Errorf("%w: not wanted any more", errPointless)
	}
	available, err := w.owners.available(ctx, m.About)
	if err != nil {
		return mail{}, err
	}
	if available[m.About] == 0 {
		return mail{}, fmt.Errorf("%w: sold out again", errPointless)
	}
	offers, err := w.owners.offers(ctx, p.Currency, m.About)
	if err != nil {
		return mail{}, err
	}
	wish, sold := offers[m.About]
	if !sold {
		return mail{}, fmt.Errorf("%w: not sold in %s", errPointless, p.Currency)
	}
	person, err := w.owners.account(ctx, m.Recipient)
	if err != nil {
		return mail{}, err
	}
	return backInStockMail(w.shop, person, wish, p.Unsubscribe[backInStock])
}

// lowItem is something that ran low.
type lowItem struct {
	SKU       string
	Name      string // "" if it is not known at the moment
	Available int64
	Threshold int64
}

// writeStockLow tells the operators what is low now of what ran low.
func (w *writer) writeStockLow(ctx context.Context, m Message) (mail, error) {
	noted, err := w.store.LowStock(ctx, m.ID)
	if err != nil {
		return mail{}, err
	}
	skus := make([]string, len(noted))
	for i, item := range noted {
		skus[i] = item.SKU
	}
	if len(skus) == 0 {
		return mail{}, fmt.Errorf("%w: nothing is low", errPointless)
	}
	available, err := w.owners.available(ctx, skus...)
	if err != nil {
		return mail{}, err
	}
	offers, err := w.owners.offers(ctx, "", skus...)
	if err != nil {
		offers = nil // the SKUs say enough
	}
	low := noted[:0]
	for _, item := range noted {
		item.Available, item.Name = available[item.SKU], offers[item.SKU].Name
		if item.Available <= item.Threshold {
			low = append(low, item)
		}
	}
	if len(low) == 0 {
		return mail{}, fmt.Errorf("%w: nothing is low any more", errPointless)
	}
	return stockLowMail(w.shop, w.operators, low)
}

// LowStock is what a mail about low stock is to tell, a hundred SKUs at most.
func (s *store) LowStock(ctx context.Context, messageID string) ([]lowItem, error) {
	rows, err := s.pool.Query(ctx, `select sku, '', 0::bigint, threshold from low_stock where message_id = $1 order by sku limit 100`, messageID)
	if err != nil {
		return nil, fmt.Errorf("list what is low: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[lowItem])
}

// stockLowMail tells the operators what is running low.
func stockLowMail(shop *url.URL, to string, low []lowItem) (mail, error) {
	link := shop.JoinPath("admin", "stock")
	link.RawQuery = "low=true"
	p := page{Link: link.String(), LinkText: "Open the stock in the back office"}
	p.Subject, p.Title = low[0].words()+" is running low", "Stock is running low"
	if len(low) > 1 {
		p.Subject = fmt.Sprintf("%d products are running low", len(low))
	}
	p.News = news{Said: []string{"Of these, no more pieces are free than their threshold."}}
	for _, item := range low {
		left := fmt.Sprintf("%d left", item.Available)
		if item.Available == 0 {
			left = "sold out"
		}
		p.News.Facts = append(p.News.Facts, fact{item.words(), fmt.Sprintf("%s, threshold %d", left, item.Threshold), ""})
	}
	p.Preview = p.News.Said[0]
	return render("alert", shop, to, p)
}

func (i lowItem) words() string {
	if i.Name == "" {
		return i.SKU
	}
	return i.Name + " (" + i.SKU + ")"
}

// backInStockMail tells somebody that a wish can be had again. It is marketing, so it ends by one click.
func backInStockMail(shop *url.URL, person account, wish offer, token string) (mail, error) {
	link := shop.JoinPath("products", wish.Slug)
	link.RawQuery = url.Values{"variant": {wish.SKU}}.Encode()
	p := page{
		Name: person.Name, Subject: wish.Name + " is back in stock", Title: "Back in stock", Preview: "It is on your wishlist.",
		Offer: wish, Link: link.String(), LinkText: "Have a look",
		Unsubscribe: tokenLink(shop, "unsubscribe", token),
	}
	m, err := render("back-in-stock", shop, person.Email, p)
	m.Unsubscribe = shop.JoinPath("api", "v1", "account", "unsubscribe", token).String()
	return m, err
}
