package main

import (
	"bytes"
	"crypto/subtle"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/internal/web"
)

//go:embed templates
var templates embed.FS

var pages = parsePages("inbox", "ledger", "disputes", "faults", "authenticate", "approve")

func parsePages(names ...string) map[string]*template.Template {
	helpers := template.FuncMap{
		"money": amountText,
		"ago":   func(at time.Time) string { return at.Local().Format("2 Jan 15:04:05") },
		"stamp": func(at time.Time) string { return at.Format(time.RFC3339) },
	}
	found := map[string]*template.Template{}
	for _, name := range names {
		found[name] = template.Must(template.New("").Funcs(helpers).ParseFS(templates, "templates/layout.html", "templates/"+name+".html"))
	}
	return found
}

// show answers with a page. It is rendered before a byte goes out, so that a mistake in it is an error and not half a page.
func show(w http.ResponseWriter, status int, name string, data any) error {
	var out bytes.Buffer
	if err := pages[name].ExecuteTemplate(&out, "layout", map[string]any{"Page": name, "Data": data}); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // the browser may have gone
	return nil
}

// pageSafety keeps pages from loading anything from elsewhere, from being framed by others, and from being posted to by
// other sites. form-action stays open for the web: 3-D Secure and PayPal's page redirect to the shop after their form.
func pageSafety(next http.Handler) http.Handler {
	guarded := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "+
			"frame-src 'self'; img-src 'self'; form-action 'self' http: https:; base-uri 'none'; frame-ancestors 'self'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		w.Header().Set("Cache-Control", "no-store")
		guarded.ServeHTTP(w, r)
	})
}

type inbox struct {
	Search string
	Mails  []mail
	Open   *mail
}

// inboxPage lists the newest mails; ?q= looks for a part of a recipient's address.
func (s *server) inboxPage(w http.ResponseWriter, r *http.Request) error {
	return s.showInbox(w, r, nil)
}

// mailPage shows one mail beside the list.
func (s *server) mailPage(w http.ResponseWriter, r *http.Request) error {
	m, err := s.mail(r)
	if err != nil {
		return err
	}
	return s.showInbox(w, r, &m)
}

func (s *server) showInbox(w http.ResponseWriter, r *http.Request, open *mail) error {
	page := inbox{Search: strings.TrimSpace(r.URL.Query().Get("q")), Open: open}
	wanted := strings.ToLower(page.Search)
	if err := s.store.view(func(t *txn) (err error) {
		page.Mails, err = t.mails("", 100, func(m mail) bool {
			return wanted == "" || slices.ContainsFunc(m.Recipients, func(to string) bool { return strings.Contains(strings.ToLower(to), wanted) })
		})
		return err
	}); err != nil {
		return err
	}
	return show(w, http.StatusOK, "inbox", page)
}

func (s *server) mail(r *http.Request) (m mail, err error) {
	number, err := strconv.ParseUint(mux.Vars(r)["id"], 10, 64)
	if err != nil {
		return m, problem.New(problem.NotFound, "no-such-mail", "There is no such mail.")
	}
	err = s.store.view(func(t *txn) error {
		m, err = t.mail(number)
		return err
	})
	return m, err
}

var head = regexp.MustCompile(`(?i)<head[^>]*>`)

// mailBody is a mail's HTML as it was sent, for the frame of mailPage. It runs no script and belongs to no origin, and
// its links open in a tab of their own.
func (s *server) mailBody(w http.ResponseWriter, r *http.Request) error {
	m, err := s.mail(r)
	if err != nil {
		return err
	}
	const base = `<base target="_blank">`
	body := base + m.HTML
	if at := head.FindStringIndex(m.HTML); at != nil {
		body = m.HTML[:at[1]] + base + m.HTML[at[1]:]
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data: http: https:; font-src data:; "+
		"form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(body)) // the browser may have gone
	return nil
}

// orderSum is what moved for one order in one currency.
type orderSum struct {
	Key, OrderID string
	total
	Movements []movement
	Latest    time.Time
}

func (o orderSum) Net() int64   { return o.Captured - o.Refunded }
func (o orderSum) Double() bool { return o.Captures > 1 }

type ledgerView struct {
	Search string
	Totals []total
	Orders []orderSum
	Shown  int
}

// ledgerPage shows the totals of the whole ledger and its newest movements by order; ?order= shows one order.
func (s *server) ledgerPage(w http.ResponseWriter, r *http.Request) error {
	const newest = 500
	page := ledgerView{Search: strings.TrimSpace(r.URL.Query().Get("order"))}
	var found []movement
	if err := s.store.view(func(t *txn) (err error) {
		if found, err = t.movements(page.Search, newest); err != nil {
			return err
		}
		page.Totals, err = t.totals()
		return err
	}); err != nil {
		return err
	}
	page.Orders, page.Shown = sumByOrder(found), len(found)
	return show(w, http.StatusOK, "ledger", page)
}

// sumByOrder groups movements by order and currency, in the order they are met. A payment without an order is its own group.
func sumByOrder(found []movement) []orderSum {
	var sums []orderSum
	index := map[string]int{}
	for _, m := range found {
		key := m.OrderID + "-" + m.Currency
		if m.OrderID == "" {
			key = m.PaymentID
		}
		i, ok := index[key]
		if !ok {
			i = len(sums)
			index[key] = i
			sums = append(sums, orderSum{Key: key, OrderID: m.OrderID, total: total{Currency: m.Currency}, Latest: m.At})
		}
		sums[i].add(m)
		sums[i].Movements = append(sums[i].Movements, m)
	}
	return sums
}

type faultsView struct {
	faultSet
	Operations []string
	Modes      []mode
	Wrong      *problem.Error
	Waiting    int
}

// faultsPage shows the faults, a form for another, and what the API for programs takes.
func (s *server) faultsPage(w http.ResponseWriter, _ *http.Request) error {
	return s.showFaults(w, nil)
}

func (s *server) showFaults(w http.ResponseWriter, wrong *problem.Error) error {
	page := faultsView{Operations: operations, Modes: modes, Wrong: wrong}
	if err := s.store.view(func(t *txn) (err error) {
		if page.faultSet, err = t.faults(); err != nil {
			return err
		}
		owed, err := t.owed()
		page.Waiting = len(owed)
		return err
	}); err != nil {
		return err
	}
	status := http.StatusOK
	if wrong != nil {
		status = wrong.Kind.Status()
	}
	return show(w, status, "faults", page)
}

// addFault takes the form of the faults page.
func (s *server) addFault(w http.ResponseWriter, r *http.Request) error {
	f, err := faultFromForm(w, r)
	if err == nil {
		_, err = s.setFaults(func(set *faultSet) error {
			set.Faults = append(set.Faults, f)
			return nil
		})
	}
	if err == nil {
		http.Redirect(w, r, "/faults", http.StatusSeeOther)
		return nil
	}
	if e := problem.From(err); e.Kind != problem.Internal {
		return s.showFaults(w, e)
	}
	return err
}

func faultFromForm(w http.ResponseWriter, r *http.Request) (fault, error) {
	r.Body = http.MaxBytesReader(w, r.Body, web.MaxBody)
	if err := r.ParseForm(); err != nil {
		return fault{}, problem.New(problem.Invalid, "malformed-form", "The form cannot be read.")
	}
	f := fault{Operation: r.PostForm.Get("operation"), Mode: r.PostForm.Get("mode"), Code: r.PostForm.Get("code")}
	for name, field := range map[string]*int{"count": &f.Count, "status": &f.Status, "delayMs": &f.DelayMs, "copies": &f.Copies} {
		v := strings.TrimSpace(r.PostForm.Get(name))
		if v == "" {
			continue
		}
		n, err := strconv.Atoi(v)
		if err != nil {
			return f, problem.New(problem.Invalid, "invalid-fault", "%s must be a whole number.", name)
		}
		*field = n
	}
	if v := strings.TrimSpace(r.PostForm.Get("probability")); v != "" {
		p, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return f, problem.New(problem.Invalid, "invalid-fault", "probability must be a number.")
		}
		f.Probability = p
	}
	return f, invalidFault(f.complete(""))
}

// removeFault takes one fault away by its place in the list, or all of them if the form names none.
func (s *server) removeFault(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, web.MaxBody)
	place, err := strconv.Atoi(r.PostFormValue("place"))
	all := r.PostFormValue("place") == ""
	if err != nil && !all {
		return problem.New(problem.Invalid, "invalid-place", "There is no such fault.")
	}
	if _, err := s.setFaults(func(set *faultSet) error {
		switch {
		case all:
			set.Faults = []fault{}
		case place >= 0 && place < len(set.Faults):
			set.Faults = slices.Delete(set.Faults, place, place+1)
		}
		return nil
	}); err != nil {
		return err
	}
	http.Redirect(w, r, "/faults", http.StatusSeeOther)
	return nil
}

type authentication struct {
	Intent intent
	Host   string // of the shop that the customer came from
	Last4  string
	Brand  string
}

// authenticatePage stands for the customer's bank: it asks whether the payment is hers.
func (s *server) authenticatePage(w http.ResponseWriter, r *http.Request) error {
	var p *payment
	if err := s.store.view(func(t *txn) (err error) {
		p, err = t.waiting(r)
		return err
	}); err != nil {
		return err
	}
	if p.Intent.Status != requiresAction {
		return s.leave(w, r, p)
	}
	c, _ := cardOf(p.Method)
	page := authentication{Intent: p.Intent, Last4: c.last4, Brand: c.brand}
	if u, err := url.Parse(p.ReturnURL); err == nil {
		page.Host = u.Host
	}
	return show(w, http.StatusOK, "authenticate", page)
}

// authenticate applies the customer's answer and sends her back to the shop. Answering twice changes nothing.
func (s *server) authenticate(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, web.MaxBody)
	outcome := r.PostFormValue("outcome")
	if outcome != "complete" && outcome != "fail" {
		return problem.New(problem.Invalid, "invalid-outcome", "outcome must be complete or fail.")
	}
	c := &call{params: &params{}, now: s.now()}
	var p *payment
	if err := s.store.update(func(t *txn) (err error) {
		c.posts = nil
		if p, err = t.waiting(r); err != nil {
			return err
		}
		p.authenticate(outcome == "complete", c.now)
		_, err = s.save(t, c, p, nil)
		return err
	}); err != nil {
		return err
	}
	s.courier.send(c.posts...)
	return s.leave(w, r, p)
}

// waiting is the payment of an authentication page; the client secret in the address proves that the caller was sent there.
func (t *txn) waiting(r *http.Request) (*payment, error) {
	p, err := t.payment(mux.Vars(r)["id"])
	secret := r.URL.Query().Get("client_secret")
	if err != nil || subtle.ConstantTimeCompare([]byte(secret), []byte(p.Intent.ClientSecret)) != 1 {
		return nil, problem.New(problem.NotFound, "no-such-authentication", "There is no such payment to confirm.")
	}
	return p, nil
}

// leave redirects to the return_url with Stripe's parameters (https://docs.stripe.com/payments/3d-secure/authentication-flow).
func (s *server) leave(w http.ResponseWriter, r *http.Request, p *payment) error {
	u, err := url.Parse(p.ReturnURL)
	if err != nil || p.ReturnURL == "" {
		return show(w, http.StatusOK, "authenticate", authentication{Intent: p.Intent})
	}
	status := "failed"
	if p.Intent.Status == succeeded || p.Intent.Status == requiresCapture {
		status = "succeeded"
	}
	q := u.Query()
	q.Set("payment_intent", p.Intent.ID)
	q.Set("payment_intent_client_secret", p.Intent.ClientSecret)
	q.Set("redirect_status", status)
	u.RawQuery = q.Encode()
	http.Redirect(w, r, u.String(), http.StatusSeeOther)
	return nil
}
