// Package shop is a customer of the shop and a reader of its sandbox, for the suites beside it. It speaks the public API
// as a browser does, with cookies, and knows nothing of the inside.
package shop

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// BaseURL and SandboxURL are where the system under test is (BASE_URL, SANDBOX_URL).
func BaseURL() string    { return cmp.Or(os.Getenv("BASE_URL"), "http://localhost:8080") }
func SandboxURL() string { return cmp.Or(os.Getenv("SANDBOX_URL"), "http://localhost:8090") }

// Require skips the test, or fails it where CI is set, unless a system under test was named by BASE_URL.
func Require(t testing.TB) {
	t.Helper()
	if os.Getenv("BASE_URL") != "" {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("BASE_URL names no system under test")
	}
	t.Skip("this test needs a running shop: `make test` starts one, or set BASE_URL and SANDBOX_URL")
}

// Money is an amount in minor units.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

type Variant struct {
	SKU       string `json:"sku"`
	Price     Money  `json:"price"`
	Available *bool  `json:"available"`
	Stock     *int   `json:"stock"` // told only when few are left
}

type Product struct {
	ID, Slug, Name, Category, Image string
	Price                           Money
	Available                       *bool
	Variants                        []Variant
}

type Products struct {
	Items      []Product
	NextCursor string
	Total      int
}

type Line struct {
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Quantity  int    `json:"quantity"`
	UnitPrice Money  `json:"unitPrice"`
	LineTotal Money  `json:"lineTotal"`
}

type Basket struct {
	ID       string
	Currency string
	Lines    []Line
	Subtotal Money
	Count    int
	Coupon   *struct {
		Code, Description, Problem string
		Valid                      bool
	}
}

type Order struct {
	ID, Number, Status, Currency, Email      string
	Coupon, Invoice                          string
	Lines                                    []Line
	Subtotal, Shipping, Tax, Discount, Total Money
	Refunded                                 Money
	Cancellable, Returnable                  bool
	Shipment                                 *struct{ Carrier, TrackingNumber, TrackingURL, ShippedAt, DeliveredAt string }
	Returns                                  []Return
	Payment                                  struct{ Provider, Status, RedirectURL, Failure string }
	Timeline                                 []struct {
		Seq          int
		Status, Note string
	}
}

// Return is goods on their way back.
type Return struct {
	ID, Status, Reason, Note string
	Lines                    []Line
	Refund                   Money
}

type Address struct {
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2,omitempty"`
	City       string `json:"city"`
	Region     string `json:"region,omitempty"`
	PostalCode string `json:"postalCode"`
	Country    string `json:"country"`
}

// Home is an address that the shop delivers to.
var Home = Address{Name: "Ada Lovelace", Line1: "Torstraße 1", City: "Berlin", PostalCode: "10119", Country: "DE"}

type Payment struct {
	Provider string `json:"provider"`
	Method   string `json:"method"`
}

// Checkout is the body of POST checkout.
type Checkout struct {
	Address        Address `json:"address"`
	ShippingMethod string  `json:"shippingMethod"`
	Payment        Payment `json:"payment"`
	Email          string  `json:"email,omitempty"`
	Currency       string  `json:"currency,omitempty"`
}

// With is a checkout from home that pays by one of Stripe's test payment methods.
func With(method string) Checkout {
	return Checkout{Address: Home, ShippingMethod: "standard", Payment: Payment{"stripe", method}}
}

// Problem is an RFC 9457 problem document.
type Problem struct {
	Status int
	Code   string
	Detail string
}

func (p *Problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail) }

// Shopper is one browser.
type Shopper struct {
	http *http.Client
	base string
}

// New is a browser that has never been here.
func New() *Shopper {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // cookiejar.New fails for no options
	}
	return &Shopper{&http.Client{Jar: secureJar{jar}, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, BaseURL()}
}

// At is the same browser at another address of the shop. Cookies know hosts and no ports, so it is signed in there, too.
func (s *Shopper) At(base string) *Shopper { return &Shopper{s.http, base} }

// secureJar treats plain http on localhost as secure, as browsers do, so that Secure cookies come back.
type secureJar struct{ http.CookieJar }

func secure(u *url.URL) *url.URL { s := *u; s.Scheme = "https"; return &s }

func (j secureJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.CookieJar.SetCookies(secure(u), cookies)
}
func (j secureJar) Cookies(u *url.URL) []*http.Cookie { return j.CookieJar.Cookies(secure(u)) }

// Cookies are those that the shop has set.
func (s *Shopper) Cookies() []*http.Cookie {
	u, _ := url.Parse(s.base)
	return s.http.Jar.Cookies(u)
}

// SetCookie plants a cookie, as somebody with bad intentions would.
func (s *Shopper) SetCookie(c *http.Cookie) {
	u, _ := url.Parse(s.base)
	s.http.Jar.SetCookies(u, []*http.Cookie{c})
}

// Watch, if set, sees every answer that a Shopper gets, with the body that was read from it.
var Watch func(resp *http.Response, body string)

// Raw sends any request and returns the answer with its body read.
func (s *Shopper) Raw(ctx context.Context, method, path, contentType, body string, header http.Header) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && Watch != nil {
		Watch(resp, string(b))
	}
	return resp, string(b), err
}

// Do sends in as JSON to the API and reads the answer into out; either may be nil. Refusals are *Problem errors.
func (s *Shopper) Do(ctx context.Context, method, path string, in, out any, header ...string) error {
	return s.To(ctx, method, "/api/v1/"+path, in, out, header...)
}

// To is Do at any address of the shop.
func (s *Shopper) To(ctx context.Context, method, address string, in, out any, header ...string) error {
	var body bytes.Buffer
	contentType := ""
	if in != nil {
		contentType = "application/json"
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	resp, text, err := s.Raw(ctx, method, address, contentType, body.String(), h)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		p := &Problem{Status: resp.StatusCode}
		if err := json.Unmarshal([]byte(text), p); err != nil || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") {
			return fmt.Errorf("%s %s: %d without a problem document: %.200s", method, address, resp.StatusCode, text)
		}
		return p
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal([]byte(text), out)
}

// Put sets how many pieces of a variant the basket holds.
func (s *Shopper) Put(ctx context.Context, sku string, quantity int) (b Basket, err error) {
	return b, s.Do(ctx, http.MethodPut, "basket/items/"+sku, map[string]int{"quantity": quantity}, &b)
}

// Place checks the basket out under an idempotency key; "" makes a new one.
func (s *Shopper) Place(ctx context.Context, c Checkout, key string) (Order, error) {
	var answer struct{ Order Order }
	err := s.Do(ctx, http.MethodPost, "checkout", c, &answer, "Idempotency-Key", cmp.Or(key, uuid.NewString()))
	return answer.Order, err
}

// Order reads one order.
func (s *Shopper) Order(ctx context.Context, id string) (o Order, err error) {
	return o, s.Do(ctx, http.MethodGet, "orders/"+id, nil, &o)
}

// Await polls an order until its status is one of those wanted.
func (s *Shopper) Await(ctx context.Context, id string, statuses ...string) (Order, error) {
	var o Order
	var err error
	for {
		if o, err = s.Order(ctx, id); err == nil {
			for _, status := range statuses {
				if o.Status == status {
					return o, nil
				}
			}
		}
		select {
		case <-ctx.Done():
			return o, fmt.Errorf("order %s is %q, wanted %v: %w", id, o.Status, statuses, cmp.Or(err, ctx.Err()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Account is a registered customer's way in.
type Account struct{ Email, Password, Name string }

// NewAccount is one that nobody has yet.
func NewAccount() Account {
	return Account{"ada." + uuid.NewString()[:13] + "@example.com", "a rather long pass phrase " + uuid.NewString()[:8], "Ada Lovelace"}
}

var token = regexp.MustCompile(`[?&]token=([A-Za-z0-9_~.%-]+)`)

// Register makes an account, confirms it by the link in the mail, and signs in.
func (s *Shopper) Register(ctx context.Context, a Account) error {
	if err := s.Do(ctx, http.MethodPost, "auth/register", map[string]string{"email": a.Email, "password": a.Password, "name": a.Name}, nil); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	mail, err := AwaitMail(ctx, a.Email, "Confirm") // a guest may have had other mails at this address
	if err != nil {
		return err
	}
	found := token.FindStringSubmatch(mail.Text)
	if found == nil {
		return fmt.Errorf("no token in the mail %q", mail.Subject)
	}
	if err := s.Do(ctx, http.MethodPost, "auth/verify-email", map[string]string{"token": found[1]}, nil); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return s.Login(ctx, a)
}

// Login signs in.
func (s *Shopper) Login(ctx context.Context, a Account) error {
	return s.Do(ctx, http.MethodPost, "auth/login", map[string]string{"email": a.Email, "password": a.Password}, nil)
}

// InStock lists n variants of which there are plenty. A shop that has just started may not know its stock yet.
func InStock(ctx context.Context, n int) ([]Variant, error) {
	for range 30 {
		plenty, _, err := Stock(ctx, n)
		if err != nil || len(plenty) >= n {
			return plenty[:min(n, len(plenty))], err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
	return nil, fmt.Errorf("there are not %d variants in stock", n)
}

// Stock lists the variants that can be bought: those of which there are plenty, until there are n, and the scarce ones that
// were met on the way. Only a product's own page tells which is which.
func Stock(ctx context.Context, n int) (plenty, scarce []Variant, err error) {
	s := New()
	for cursor := ""; ; {
		var page Products
		if err := s.Do(ctx, http.MethodGet, "products?limit=48&inStock=true&cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
			return nil, nil, err
		}
		for _, listed := range page.Items {
			var p Product
			if err := s.Do(ctx, http.MethodGet, "products/"+listed.Slug, nil, &p); err != nil {
				return nil, nil, err
			}
			for _, v := range p.Variants {
				switch {
				case v.Available == nil || !*v.Available:
				case v.Stock == nil:
					plenty = append(plenty, v)
				default:
					scarce = append(scarce, v)
				}
			}
			if len(plenty) >= n {
				return plenty, scarce, nil
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			return plenty, scarce, nil
		}
	}
}
