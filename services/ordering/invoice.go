package main

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sidecart/sidecart/internal/problem"
	"github.com/sidecart/sidecart/services/ordering/order"
)

var (
	//go:embed templates/invoice.html.tmpl
	invoiceHTML string
	//go:embed templates/invoice.css
	invoiceStyle string

	invoicePage = template.Must(template.New("invoice").Funcs(template.FuncMap{
		"date": func(t time.Time) string { return t.Format("2 January 2006") },
	}).Parse(invoiceHTML))

	// invoicePolicy admits the page's one style sheet, and nothing else.
	invoicePolicy = func() string {
		sum := sha256.Sum256([]byte(invoiceStyle))
		return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	}()
)

// showInvoice is the bill of a paid order, to be printed. It stays as it was when the order was paid; what went back
// since is told below it.
func (s *server) showInvoice(w http.ResponseWriter, r *http.Request) error {
	o, err := s.visible(r)
	if err != nil {
		return err
	}
	if o.Invoice == "" {
		return problem.New(problem.Conflict, "no-invoice-yet", "There is an invoice once the order is paid.")
	}
	var page bytes.Buffer
	if err := invoicePage.Execute(&page, struct {
		Number, Rate  string
		Date          time.Time
		Seller, Buyer []string
		Order         *order.Order
		Style         template.CSS
	}{o.Invoice, percent(o.TaxBasisPoints), o.Payment.PaidAt, s.seller, addressLines(o.Address), o, template.CSS(invoiceStyle)}); err != nil {
		return fmt.Errorf("render invoice of %s: %w", o.ID, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", invoicePolicy)
	h.Set("Content-Disposition", `inline; filename="invoice-`+o.Invoice+`.html"`)
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	_, _ = w.Write(page.Bytes())
	return nil
}

// percent writes basis points, e.g. 2550 as "25.5".
func percent(basisPoints int64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%d.%02d", basisPoints/100, basisPoints%100), "0"), ".")
}

// addressLines is an address as it stands on a letter.
func addressLines(a order.Address) (lines []string) {
	for _, line := range []string{a.Name, a.Line1, a.Line2, a.PostalCode + " " + a.City, a.Region, a.Country} {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
