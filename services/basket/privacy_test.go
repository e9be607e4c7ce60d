package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/identity"
)

func TestABasketIsExportedAndErased(t *testing.T) {
	s := newShop(t)
	ada := identity.Identity{Subject: "ada", Roles: []identity.Role{identity.Customer}}
	bob := identity.Identity{Subject: "bob", Roles: []identity.Role{identity.Customer}}
	s.put(t, ada, "mug", 2)
	s.put(t, bob, "cup", 1)
	data, err := s.server.baskets.Export(t.Context(), "ada")
	require.NoError(t, err)
	require.Equal(t, []Line{{"mug", 2}}, data["basket"])
	for range 2 {
		kept, err := s.server.baskets.Erase(t.Context(), "ada")
		require.NoError(t, err)
		require.Empty(t, kept)
	}
	require.Empty(t, shown(t, s.request(t, ada, "GET", "/basket", "")).Lines)
	require.Len(t, shown(t, s.request(t, bob, "GET", "/basket", "")).Lines, 1)
	for caller, want := range map[string]int{"client": 200, "gateway": 404, "": 404} {
		require.Equal(t, want, s.request(t, ada, "GET", "/personal-data/bob", "", "Dapr-Caller-App-Id", caller).Code, caller)
	}
	require.Len(t, shown(t, s.request(t, bob, "GET", "/basket", "")).Lines, 1)
}
