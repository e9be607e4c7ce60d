package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/web"
)

func (d *desk) get(path string, roles ...identity.Role) *httptest.ResponseRecorder {
	s := &server{pool: d.pool, store: d.writer.store}
	r := httptest.NewRequestWithContext(d.Context(), http.MethodGet, path, nil)
	r.Header.Set("Dapr-Caller-App-Id", "gateway")
	if len(roles) > 0 {
		r = r.WithContext(identity.With(r.Context(), identity.Identity{Subject: "somebody", Roles: roles}))
	}
	w := httptest.NewRecorder()
	s.routes().ServeHTTP(w, r)
	return w
}

func TestOnlyStaffSeesMessages(tt *testing.T) {
	d := newDesk(tt)
	for _, c := range []struct {
		roles  []identity.Role
		status int
	}{
		{nil, http.StatusUnauthorized},
		{[]identity.Role{identity.Guest}, http.StatusForbidden},
		{[]identity.Role{identity.Customer}, http.StatusForbidden},
		{[]identity.Role{identity.Customer, identity.Support}, http.StatusOK},
		{[]identity.Role{identity.Admin}, http.StatusOK},
	} {
		require.Equal(tt, c.status, d.get("/messages", c.roles...).Code, "%v", c.roles)
	}
	require.Equal(tt, http.StatusNotFound, d.get("/messages/1", identity.Admin).Code)
}

func TestMessagesByPages(tt *testing.T) {
	d := newDesk(tt)
	for i := range 5 {
		require.NoError(tt, d.hear(fmt.Sprint("event-", i), paid()))
	}
	require.Equal(tt, http.StatusBadRequest, d.get("/messages?limit=0", identity.Admin).Code)
	require.Equal(tt, http.StatusBadRequest, d.get("/messages?limit=1000000000", identity.Admin).Code)
	var seen []string
	cursor := ""
	for {
		w := d.get("/messages?limit=2&cursor="+cursor, identity.Admin)
		require.Equal(tt, http.StatusOK, w.Code)
		var page web.Page[Message]
		require.NoError(tt, json.Unmarshal(w.Body.Bytes(), &page))
		for _, m := range page.Items {
			require.Equal(tt, Waiting, m.State)
			seen = append(seen, m.EventID)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	require.Equal(tt, []string{"event-4", "event-3", "event-2", "event-1", "event-0"}, seen)
}
