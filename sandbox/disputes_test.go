package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v82"
)

func TestStripeDisputes(t *testing.T) {
	s := newSandbox(t)
	ctx := context.Background()
	pi, err := s.stripe(0).V1PaymentIntents.Create(ctx, pay("o1", "pm_card_createDispute"))
	require.NoError(t, err)
	require.Equal(t, stripe.PaymentIntentStatusSucceeded, pi.Status)
	require.ElementsMatch(t, []string{"payment_intent.succeeded", "charge.dispute.created"}, s.shop.types(t, 2))
	var d *stripe.Dispute
	for found, err := range s.stripe(0).V1Disputes.List(ctx, &stripe.DisputeListParams{PaymentIntent: &pi.ID}) {
		require.NoError(t, err)
		d = found
	}
	require.Equal(t, []any{stripe.DisputeStatusNeedsResponse, stripe.DisputeReasonFraudulent, int64(4999), pi.ID, pi.LatestCharge.ID},
		[]any{d.Status, d.Reason, d.Amount, d.PaymentIntent.ID, d.Charge.ID})
	update := func(evidence string) (*stripe.Dispute, error) {
		return s.stripe(0).V1Disputes.Update(ctx, d.ID, &stripe.DisputeUpdateParams{Evidence: &stripe.DisputeUpdateEvidenceParams{UncategorizedText: &evidence}})
	}
	answered, err := update("a letter")
	require.NoError(t, err)
	require.Equal(t, stripe.DisputeStatusUnderReview, answered.Status)
	answered, err = update("winning_evidence")
	require.NoError(t, err)
	require.Equal(t, stripe.DisputeStatusWon, answered.Status)
	_, err = s.stripe(0).V1Disputes.Close(ctx, d.ID, nil)
	require.Equal(t, http.StatusBadRequest, stripeErrorOf(t, err).HTTPStatusCode)
	_, err = s.stripe(0).V1Disputes.Retrieve(ctx, "du_nosuch", nil)
	require.Equal(t, stripe.ErrorCodeResourceMissing, stripeErrorOf(t, err).Code)
	require.ElementsMatch(t, []string{"payment_intent.succeeded", "charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"}, s.shop.types(t, 4))
	require.Equal(t, []string{"authorization", "capture"}, s.kinds("o1"), "a dispute is no refund")
}

func TestDisputesByHand(t *testing.T) {
	s := newSandbox(t)
	_, err := s.stripe(0).V1PaymentIntents.Create(context.Background(), pay("card", "pm_card_visa"))
	require.NoError(t, err)
	_, order := s.paypal("POST", "/v2/checkout/orders", orderBody)
	s.json(http.MethodPost, "/api/disputes", `{"orderId":"o1"}`, http.StatusNotFound, nil)
	s.json(http.MethodPost, "/api/disputes", `{}`, http.StatusBadRequest, nil)
	s.approve(link(order, "payer-action"), "approve", "balance")
	_, captured := s.paypal("POST", "/v2/checkout/orders/"+order["id"].(string)+"/capture", "{}")
	require.Equal(t, "COMPLETED", captured["status"])

	var opened []dispute
	for _, id := range []string{"card", "o1"} {
		var d dispute
		s.json(http.MethodPost, "/api/disputes", `{"orderId":"`+id+`"}`, http.StatusCreated, &d)
		require.Equal(t, []any{id, int64(4999), "EUR", "open"}, []any{d.OrderID, d.Minor, d.Currency, d.Outcome})
		opened = append(opened, d)
	}
	body, _ := s.page("/disputes", http.StatusOK)
	require.Contains(t, body, opened[0].ID)
	form := func(values url.Values) int {
		resp, err := s.Client().PostForm(s.URL+"/disputes", values)
		require.NoError(t, err)
		resp.Body.Close()
		return resp.StatusCode
	}
	require.Equal(t, http.StatusOK, form(url.Values{"dispute": {opened[0].ID}, "outcome": {"lost"}}))
	require.Equal(t, http.StatusNotFound, form(url.Values{"orderId": {"nobody"}}))
	require.Equal(t, http.StatusBadRequest, form(url.Values{"dispute": {opened[0].ID}, "outcome": {"draw"}}))
	s.json(http.MethodPut, "/api/disputes/"+opened[0].ID, `{"outcome":"won"}`, http.StatusOK, nil)
	s.json(http.MethodPut, "/api/disputes/nosuch", `{"outcome":"won"}`, http.StatusNotFound, nil)
	var all []dispute
	s.json(http.MethodGet, "/api/disputes", "", http.StatusOK, &all)
	require.Len(t, all, 2)
	for _, d := range all {
		require.Equal(t, map[string]string{"card": "lost", "o1": "open"}[d.OrderID], d.Outcome, "what is decided stays so")
	}

	path := "/v1/customer/disputes/" + opened[1].ID
	status, answer := s.paypal("POST", path+"/adjudicate", `{"adjudication_outcome":"NOBODY"}`)
	require.Equal(t, "400 INVALID_PARAMETER_VALUE", fmt.Sprint(status, " ", issue(answer)))
	status, _ = s.paypal("POST", path+"/adjudicate", `{"adjudication_outcome":"SELLER_FAVOR"}`)
	require.Equal(t, http.StatusOK, status)
	_, answer = s.paypal("POST", path+"/accept-claim", `{}`)
	require.Equal(t, "DISPUTE_ALREADY_RESOLVED", issue(answer))
	_, shown := s.paypal("GET", path, "")
	require.Equal(t, []any{"RESOLVED", "RESOLVED_SELLER_FAVOUR", "MERCHANDISE_OR_SERVICE_NOT_RECEIVED"},
		[]any{shown["status"], shown["dispute_outcome"].(object)["outcome_code"], shown["reason"]})
	require.Equal(t, "o1:1", shown["disputed_transactions"].([]any)[0].(object)["invoice_number"])
	require.Subset(t, s.shop.toldTypes(t, 4), []string{"CUSTOMER.DISPUTE.CREATED", "CUSTOMER.DISPUTE.RESOLVED"})
}
