package main

import (
	"regexp"
	"slices"
	"strings"
)

// save writes the payment and the webhooks it owes; a refusal comes back after that, for a decline changes a payment too.
func (s *server) save(t *txn, c *call, p *payment, refused error) (any, error) {
	if err := t.savePayment(p); err != nil {
		return nil, err
	}
	var owed []outgoing
	for _, e := range p.events {
		out, err := stripeEvent(e, c.origin, c.now)
		if err != nil {
			return nil, err
		}
		owed = append(owed, out)
	}
	posts, err := s.courier.owe(t, stripeHooks, c.now, owed)
	if err != nil {
		return nil, err
	}
	if p.claim != "" {
		more, err := s.saveDispute(t, p.dispute(p.claim, c.now), c.now)
		if err != nil {
			return nil, err
		}
		posts = append(posts, more...)
	}
	c.posts = append(c.posts, posts...)
	return c.expand(p), refused
}

// expand renders the PaymentIntent, with its charge in full where expand[]=latest_charge asks for it.
func (c *call) expand(p *payment) any {
	expand := c.list("expand")
	if p.Charge == nil || !slices.Contains(expand, "latest_charge") && !slices.Contains(expand, "data.latest_charge") {
		return p.Intent
	}
	return struct {
		intent
		LatestCharge *charge `json:"latest_charge"`
	}{p.Intent, p.Charge}
}

var createParams = []string{"amount", "automatic_payment_methods", "capture_method", "confirm", "confirmation_method", "currency", "customer",
	"description", "error_on_requires_action", "metadata", "off_session", "payment_method", "payment_method_options", "payment_method_types",
	"receipt_email", "return_url", "setup_future_usage", "shipping", "statement_descriptor", "statement_descriptor_suffix", "use_stripe_sdk"}

// createIntent is https://docs.stripe.com/api/payment_intents/create.
func (s *server) createIntent(t *txn, c *call) (any, error) {
	c.required("amount")
	amount, currency := c.integer("amount"), strings.ToLower(c.required("currency"))
	captureMethod := c.oneOf("capture_method", "automatic_async", "automatic", "automatic_async", "manual")
	method, confirm, types := c.text("payment_method"), c.flag("confirm"), c.list("payment_method_types")
	metadata, returnURL, offSession := c.metadata(), c.webURL("return_url"), c.flag("off_session") || c.flag("error_on_requires_action")
	redirects := c.oneOf("automatic_payment_methods[allow_redirects]", "always", "always", "never")
	switch {
	case c.refusal != nil:
	case !supported(currency):
		c.refuse("", "currency", "Invalid currency: %s. The sandbox knows %s.", currency, strings.Join(currencies, ", "))
	case amount < minimum(currency):
		c.refuse("amount_too_small", "amount", "Amount must be at least %s", amountText(minimum(currency), currency))
	case amount > 99_999_999:
		c.refuse("amount_too_large", "amount", "Amount must be no more than %s", amountText(99_999_999, currency))
	case len(types) > 0 && !slices.Contains(types, "card"):
		c.refuse("", "payment_method_types", "The sandbox only knows the payment method type card.")
	case confirm && method == "":
		c.refuse("parameter_missing", "payment_method", "You cannot confirm this PaymentIntent because it's missing a payment method. "+
			"Provide `payment_method`, or create it without `confirm`.")
	case !confirm && returnURL != "":
		c.refuse("parameter_unknown", "return_url", "This parameter can only be used with `confirm=true`.")
	case confirm && returnURL == "" && len(types) == 0 && redirects == "always":
		c.refuse("", "return_url", "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of these "+
			"payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't want to accept "+
			"redirect-based payment methods, set `automatic_payment_methods[allow_redirects]` to `never`.")
	}
	if c.refusal != nil {
		return nil, c.refusal
	}
	p := newPayment(amount, currency, captureMethod, c.now)
	p.Intent.Metadata, p.Intent.Description, p.Intent.ReceiptEmail = metadata, nullable(c.text("description")), nullable(c.text("receipt_email"))
	p.ReturnURL, p.OffSession = returnURL, offSession
	p.Intent.PaymentMethodTypes = types
	if len(types) == 0 {
		p.Intent.PaymentMethodTypes = []string{"card"}
		p.Intent.AutomaticPaymentMethods = &automaticPaymentMethods{AllowRedirects: redirects, Enabled: true}
	}
	if method != "" {
		if err := p.attach(method, c.now); err != nil {
			return nil, err
		}
	}
	if !confirm {
		return s.save(t, c, p, nil)
	}
	return s.save(t, c, p, p.confirm(s.authenticationPage(p), c.now))
}

var confirmParams = []string{"payment_method", "return_url", "off_session", "error_on_requires_action", "receipt_email", "use_stripe_sdk",
	"payment_method_options", "payment_method_types", "setup_future_usage", "shipping", "capture_method"}

// confirmIntent is https://docs.stripe.com/api/payment_intents/confirm.
func (s *server) confirmIntent(t *txn, c *call) (any, error) {
	method, returnURL, offSession := c.text("payment_method"), c.webURL("return_url"), c.flag("off_session") || c.flag("error_on_requires_action")
	if c.refusal != nil {
		return nil, c.refusal
	}
	p, err := t.payment(c.id)
	if err != nil {
		return nil, err
	}
	if returnURL != "" {
		p.ReturnURL = returnURL
	}
	if auto := p.Intent.AutomaticPaymentMethods; auto != nil && auto.AllowRedirects == "always" && p.ReturnURL == "" {
		return nil, invalid("", "return_url", "This PaymentIntent accepts payment methods that might redirect your customer: you must provide a `return_url`.")
	}
	p.OffSession = offSession
	if method != "" && p.Intent.AmountReceived+p.Intent.AmountCapturable == 0 && p.Intent.Status != canceled {
		if err := p.attach(method, c.now); err != nil {
			return nil, err
		}
	}
	return s.save(t, c, p, p.confirm(s.authenticationPage(p), c.now))
}

var captureParams = []string{"amount_to_capture", "metadata", "final_capture", "statement_descriptor", "statement_descriptor_suffix"}

// captureIntent is https://docs.stripe.com/api/payment_intents/capture.
func (s *server) captureIntent(t *txn, c *call) (any, error) {
	amount := c.integer("amount_to_capture")
	if c.refusal != nil {
		return nil, c.refusal
	}
	p, err := t.payment(c.id)
	if err != nil {
		return nil, err
	}
	if amount == 0 {
		amount = p.Intent.AmountCapturable
	}
	return s.save(t, c, p, p.capture(amount, c.now))
}

// cancelIntent is https://docs.stripe.com/api/payment_intents/cancel.
func (s *server) cancelIntent(t *txn, c *call) (any, error) {
	reason := c.oneOf("cancellation_reason", "", "duplicate", "fraudulent", "requested_by_customer", "abandoned")
	if c.refusal != nil {
		return nil, c.refusal
	}
	p, err := t.payment(c.id)
	if err != nil {
		return nil, err
	}
	return s.save(t, c, p, p.cancel(reason, c.now))
}

// getIntent is https://docs.stripe.com/api/payment_intents/retrieve.
func (s *server) getIntent(t *txn, c *call) (any, error) {
	p, err := t.payment(c.id)
	if err != nil {
		return nil, err
	}
	return c.expand(p), nil
}

// listIntents is https://docs.stripe.com/api/payment_intents/list, newest first.
func (s *server) listIntents(t *txn, c *call) (any, error) {
	limit := c.pageSize()
	after, before := c.integer("created[gte]"), c.integer("created[lte]")
	if c.refusal != nil {
		return nil, c.refusal
	}
	start := c.text("starting_after")
	if start != "" {
		if _, err := t.payment(start); err != nil {
			return nil, err
		}
	}
	found, err := t.payments(start, limit+1, func(p *payment) bool {
		return p.Intent.Created >= after && (before == 0 || p.Intent.Created <= before)
	})
	if err != nil {
		return nil, err
	}
	page := list[any]{Object: "list", URL: "/v1/payment_intents", HasMore: len(found) > limit, Data: []any{}}
	for _, p := range found[:min(limit, len(found))] {
		page.Data = append(page.Data, c.expand(p))
	}
	return page, nil
}

var orderQuery = regexp.MustCompile(`^\s*metadata\[['"]order_id['"]\]\s*:\s*['"]([^'"]+)['"]\s*$`)

// searchIntents is https://docs.stripe.com/api/payment_intents/search for the one query metadata['order_id']:'…'. Stripe
// itself may take a minute until it finds a new payment; the sandbox finds it at once.
func (s *server) searchIntents(t *txn, c *call) (any, error) {
	limit := c.pageSize()
	query := c.required("query")
	if c.refusal != nil {
		return nil, c.refusal
	}
	match := orderQuery.FindStringSubmatch(query)
	if match == nil {
		return nil, invalid("", "query", "The sandbox only searches for metadata['order_id']:'…'.")
	}
	found, err := t.paymentsOf(match[1])
	if err != nil {
		return nil, err
	}
	page := list[any]{Object: "search_result", URL: "/v1/payment_intents/search", HasMore: len(found) > limit, Data: []any{}}
	for _, p := range found[:min(limit, len(found))] {
		page.Data = append(page.Data, c.expand(p))
	}
	return page, nil
}

func (c *call) pageSize() int {
	n := c.integer("limit")
	if n > 100 {
		c.refuse("parameter_invalid_integer", "limit", "This value must be less than or equal to 100.")
	}
	if n == 0 {
		return 10
	}
	return int(n)
}

var refundParams = []string{"payment_intent", "amount", "reason", "metadata"}

// createRefund is https://docs.stripe.com/api/refunds/create.
func (s *server) createRefund(t *txn, c *call) (any, error) {
	id, amount, metadata := c.required("payment_intent"), c.integer("amount"), c.metadata()
	reason := c.oneOf("reason", "", "duplicate", "fraudulent", "requested_by_customer")
	if c.refusal != nil {
		return nil, c.refusal
	}
	p, err := t.payment(id)
	if err != nil {
		return nil, err
	}
	r, err := p.refund(amount, reason, metadata, c.now)
	if _, err := s.save(t, c, p, err); err != nil {
		return nil, err
	}
	return r, nil
}

// getRefund is https://docs.stripe.com/api/refunds/retrieve.
func (s *server) getRefund(t *txn, c *call) (any, error) {
	p, err := t.paymentOfRefund(c.id)
	if err != nil {
		return nil, err
	}
	return p.Refunds[slices.IndexFunc(p.Refunds, func(r refund) bool { return r.ID == c.id })], nil
}

// listRefunds is https://docs.stripe.com/api/refunds/list for one payment_intent, newest first.
func (s *server) listRefunds(t *txn, c *call) (any, error) {
	limit := c.pageSize()
	id := c.required("payment_intent")
	if c.refusal != nil {
		return nil, c.refusal
	}
	p, err := t.payment(id)
	if err != nil {
		return nil, err
	}
	found := slices.Clone(p.Refunds)
	slices.Reverse(found)
	return list[refund]{Object: "list", URL: "/v1/refunds", HasMore: len(found) > limit, Data: found[:min(limit, len(found))]}, nil
}

func (s *server) authenticationPage(p *payment) string {
	return s.config.publicURL + "/authenticate/" + p.Intent.ID + "?client_secret=" + p.Intent.ClientSecret
}
