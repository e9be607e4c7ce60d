package sidecartest

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/internal/sidecar"
)

func TestMemoryIsAStateStore(t *testing.T) { TestState(t, NewMemory()) }

// The real one is a sidecar's, e.g. in a shell under `dapr run`.
func TestSidecarIsAStateStore(t *testing.T) {
	if os.Getenv("DAPR_GRPC_PORT") == "" {
		t.Skip("this test needs a sidecar with a state store: set DAPR_HTTP_PORT and DAPR_GRPC_PORT")
	}
	side, err := sidecar.Dial(t.Context(), os.Getenv)
	require.NoError(t, err)
	t.Cleanup(side.Close)
	TestState(t, side.State())
}
