package order

import (
	"slices"

	"github.com/sidecart/sidecart/internal/money"
	"github.com/sidecart/sidecart/internal/problem"
)

// Limits of one order, the same as a basket's.
const (
	MaxLines    = 100
	MaxQuantity = 99
)

// Wanted is one line before it has a price.
type Wanted struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// Variant is what catalog sells under a SKU, with its price in the currency that was asked for.
type Variant struct {
	SKU       string       `json:"sku"`
	ProductID string       `json:"productId"`
	Slug      string       `json:"slug"`
	Name      string       `json:"name"`
	Image     string       `json:"image"`
	Price     money.Amount `json:"price"`
}

// Line is one position of an order, with the name and the price of the moment of its purchase. Discount is its share of
// the order's discount; absent if it has none.
type Line struct {
	SKU       string       `json:"sku"`
	Name      string       `json:"name"`
	Slug      string       `json:"slug"`
	Image     string       `json:"image"`
	Quantity  int          `json:"quantity"`
	UnitPrice money.Amount `json:"unitPrice"`
	LineTotal money.Amount `json:"lineTotal"`
	Discount  money.Amount `json:"discount,omitzero"`
}

// Paid is what the line costs after its share of the discount, before tax.
func (l Line) Paid() money.Amount {
	return money.Must(l.LineTotal.Minor()-l.Discount.Minor(), l.LineTotal.Currency())
}

// Quote is what a purchase costs: total = subtotal - discount + shipping + tax, to the minor unit.
type Quote struct {
	Lines          []Line       `json:"lines"`
	Subtotal       money.Amount `json:"subtotal"`
	Coupon         string       `json:"coupon,omitempty"` // the code that the discount is for
	Discount       money.Amount `json:"discount"`
	Shipping       money.Amount `json:"shipping"`
	Tax            money.Amount `json:"tax"`
	TaxBasisPoints int64        `json:"taxBasisPoints"` // the rate, in hundredths of a percent
	Total          money.Amount `json:"total"`
	Currency       string       `json:"currency"`
	ShippingMethod string       `json:"shippingMethod"`
}

// ShippingOption is one way to have the goods brought, with its price for these goods.
type ShippingOption struct {
	ID       string       `json:"id"`
	Name     string       `json:"name"`
	Price    money.Amount `json:"price"`
	Estimate string       `json:"estimate"`
}

// Tariff is what the shop adds to the price of goods.
type Tariff struct {
	Methods []Method
	Tax     map[string]int64 // basis points of the standard rate by ISO 3166-1 alpha-2 country; who is not in it is not served
}

// Method is a way to have the goods brought, with its rates by currency.
type Method struct {
	ID, Name, Estimate string
	Rates              map[string]Rate
}

// Rate is a price in minor units; from FreeFrom on, the goods travel free. Zero means never.
type Rate struct{ Price, FreeFrom int64 }

// ShopTariff is ours. Rates are set per currency, never converted.
var ShopTariff = Tariff{
	Methods: []Method{
		{"standard", "Standard delivery", "3–5 working days", map[string]Rate{
			"EUR": {490, 5000}, "USD": {590, 6000}, "GBP": {390, 4500}, "JPY": {600, 8000},
		}},
		{"express", "Express delivery", "1–2 working days", map[string]Rate{
			"EUR": {1290, 0}, "USD": {1490, 0}, "GBP": {1090, 0}, "JPY": {1500, 0},
		}},
	},
	Tax: map[string]int64{
		// European Union: European Commission, "Taxes in Europe Database", standard VAT rates of January 2026.
		"AT": 2000, "BE": 2100, "BG": 2000, "CY": 1900, "CZ": 2100, "DE": 1900, "DK": 2500, "EE": 2400, "ES": 2100,
		"FI": 2550, "FR": 2000, "GR": 2400, "HR": 2500, "HU": 2700, "IE": 2300, "IT": 2200, "LT": 2100, "LU": 1700,
		"LV": 2100, "MT": 1800, "NL": 2100, "PL": 2300, "PT": 2300, "RO": 2100, "SE": 2500, "SI": 2200, "SK": 2300,
		"GB": 2000, // gov.uk, "VAT rates"
		"CH": 810,  // Federal Tax Administration, rates since January 2024
		"NO": 2500, // Skatteetaten, "Value added tax rates"
		"JP": 1000, // National Tax Agency, consumption tax, standard rate since October 2019
		"AU": 1000, // Australian Taxation Office, GST
		"NZ": 1500, // Inland Revenue, GST
		"CA": 500,  // Canada Revenue Agency, federal GST; provinces are not collected for
		"US": 0,    // no federal sales tax; the shop has no nexus in any state
	},
}

// Quote prices goods for a destination. Tax is due on goods and delivery together, as in the EU VAT directive (2006/112/EC,
// article 78), and is rounded once per order, half up. What the caller believes about prices is not asked. A coupon takes
// off what it is worth before tax (article 79: discounts granted at the time of supply are not taxed); a nil claim is none.
func (t Tariff) Quote(wanted []Wanted, variants []Variant, currency, method, country string, claim *Claim) (Quote, error) {
	lines, subtotal, err := priced(wanted, variants, currency)
	if err != nil {
		return Quote{}, err
	}
	taxRate, served := t.Tax[country]
	if !served {
		return Quote{}, problem.New(problem.Unprocessable, "country-not-served", "We do not deliver to this country.").
			WithFields(problem.FieldError{Field: "address.country", Detail: "is not a country that we deliver to"})
	}
	i := slices.IndexFunc(t.Methods, func(m Method) bool { return m.ID == method })
	if i < 0 {
		return Quote{}, problem.New(problem.Unprocessable, "unknown-shipping-method", "There is no such way of delivery.").
			WithFields(problem.FieldError{Field: "shippingMethod", Detail: "must be standard or express"})
	}
	shipping, err := t.Methods[i].price(subtotal)
	if err != nil {
		return Quote{}, err
	}
	discount := money.Must(0, currency)
	code := ""
	if claim != nil {
		if err := claim.Admit(subtotal); err != nil {
			return Quote{}, err
		}
		code, discount = claim.Coupon.Code, claim.Coupon.takeOff(lines, subtotal, shipping)
	}
	base, err := subtotal.Sub(discount)
	if err != nil {
		return Quote{}, err
	}
	if base, err = base.Add(shipping); err != nil {
		return Quote{}, err
	}
	tax := base.Share(taxRate, 10000)
	total, err := base.Add(tax)
	if err != nil {
		return Quote{}, err
	}
	return Quote{
		Lines: lines, Subtotal: subtotal, Coupon: code, Discount: discount, Shipping: shipping, Tax: tax, TaxBasisPoints: taxRate, Total: total,
		Currency: currency, ShippingMethod: method,
	}, nil
}

// Options are the ways of delivery with their prices for goods of this worth.
func (t Tariff) Options(subtotal money.Amount) ([]ShippingOption, error) {
	options := make([]ShippingOption, 0, len(t.Methods))
	for _, m := range t.Methods {
		price, err := m.price(subtotal)
		if err != nil {
			return nil, err
		}
		options = append(options, ShippingOption{ID: m.ID, Name: m.Name, Price: price, Estimate: m.Estimate})
	}
	return options, nil
}

// Serves reports whether anything can be sold in this currency.
func (t Tariff) Serves(currency string) bool {
	_, ok := t.Methods[0].Rates[currency]
	return ok
}

func (m Method) price(subtotal money.Amount) (money.Amount, error) {
	rate, ok := m.Rates[subtotal.Currency()]
	if !ok {
		return money.Amount{}, UnknownCurrency(subtotal.Currency())
	}
	if rate.FreeFrom > 0 && subtotal.Minor() >= rate.FreeFrom {
		return money.New(0, subtotal.Currency())
	}
	return money.New(rate.Price, subtotal.Currency())
}

// priced joins what is wanted with what catalog sells, in the order of the basket.
func priced(wanted []Wanted, variants []Variant, currency string) ([]Line, money.Amount, error) {
	subtotal, err := money.New(0, currency)
	if err != nil {
		return nil, subtotal, UnknownCurrency(currency)
	}
	bySKU := make(map[string]Variant, len(variants))
	for _, v := range variants {
		bySKU[v.SKU] = v
	}
	lines := make([]Line, 0, len(wanted))
	var gone []problem.FieldError
	for _, w := range wanted {
		v, ok := bySKU[w.SKU]
		if !ok || v.Price.Currency() != currency {
			gone = append(gone, problem.FieldError{Field: w.SKU, Detail: "is not sold any more"})
			continue
		}
		lineTotal, err := v.Price.Times(int64(w.Quantity))
		if err != nil {
			return nil, subtotal, err
		}
		if subtotal, err = subtotal.Add(lineTotal); err != nil {
			return nil, subtotal, err
		}
		lines = append(lines, Line{
			SKU: v.SKU, Name: v.Name, Slug: v.Slug, Image: v.Image, Quantity: w.Quantity, UnitPrice: v.Price, LineTotal: lineTotal,
		})
	}
	if len(gone) > 0 {
		return nil, subtotal, problem.New(problem.Unprocessable, "unknown-sku", "Something in your basket is not sold any more.").
			WithFields(gone...)
	}
	return lines, subtotal, nil
}

// UnknownCurrency is the refusal of a currency that nothing is sold in.
func UnknownCurrency(currency string) error {
	return problem.New(problem.Invalid, "unknown-currency", "We do not sell in %q.", currency).
		WithFields(problem.FieldError{Field: "currency", Detail: "is not a currency that we sell in"})
}
