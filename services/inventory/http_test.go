package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
)

func (f *fixture) get(target string) (int, string) {
	rec := httptest.NewRecorder()
	f.routes().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, target, nil).WithContext(f.Context()))
	return rec.Code, rec.Body.String()
}

func TestStockIsWhatCanBeBought(t *testing.T) {
	f := newFixture(t, pieces("A", 5), pieces("B", 0))
	require.NoError(t, f.place(newOrder(), events.OrderLine{SKU: "A", Quantity: 2}))
	status, body := f.get("/stock?skus=B,A,A,NEVER-HAD,%00,%27%3B--")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"items":[{"sku":"A","available":3},{"sku":"B","available":0}]}`, body)

	status, body = f.get("/stock?skus=NEVER-HAD")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"items":[]}`, body)
}

func TestStockOfNothingOrTooMuchIsRefused(t *testing.T) {
	f := newFixture(t)
	for _, target := range []string{"/stock", "/stock?skus=", "/stock?skus=" + strings.Repeat("A,", maxSKUs+1)} {
		status, body := f.get(target)
		require.Equal(t, http.StatusBadRequest, status, target)
		require.Contains(t, body, `"invalid-skus"`)
	}
}

func TestFeedIsForSubscribersOnly(t *testing.T) {
	f := newFixture(t)
	status, _ := f.get("/outbox?topics=" + events.TopicStockReserved)
	require.Equal(t, http.StatusNotFound, status)
}
