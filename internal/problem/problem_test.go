package problem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWriteAndReadKeepTheError(t *testing.T) {
	for kind, status := range statuses {
		want := New(kind, "some-code", "line %d", 3).WithFields(FieldError{"quantity", "must be at least 1"}).
			WithRetryAfter(1500 * time.Millisecond)
		rec := httptest.NewRecorder()
		Write(rec, httptest.NewRequest(http.MethodGet, "/", nil), fmt.Errorf("place order: %w", want))
		require.Equal(t, status, rec.Code)
		require.Equal(t, "application/problem+json", rec.Header().Get("Content-Type"))
		require.Equal(t, "2", rec.Header().Get("Retry-After"))

		got := From(Read(rec.Result()))
		want.RetryAfter = 2 * time.Second
		require.Equal(t, want, got)
	}
}

func TestForeignErrorsReachNoClient(t *testing.T) {
	rec := httptest.NewRecorder()
	Write(rec, httptest.NewRequest(http.MethodGet, "/", nil), errors.New(`relation "orders" does not exist`))
	require.Equal(t, http.StatusInternalServerError, rec.Code)
	require.NotContains(t, rec.Body.String(), "relation")
	require.Contains(t, rec.Body.String(), "internal-error")
}

type pgError string

func (e pgError) Error() string    { return string(e) }
func (e pgError) SQLState() string { return string(e) }

func TestAServerThatIsAwayIsUnavailable(t *testing.T) {
	_, refused := net.Dial("tcp", "127.0.0.1:1")
	for err, want := range map[error]string{
		refused:                  "service-unavailable",
		io.ErrUnexpectedEOF:      "service-unavailable",
		context.DeadlineExceeded: "service-unavailable",
		pgError("57P01"):         "service-unavailable",
		pgError("08006"):         "service-unavailable",
		pgError("23505"):         "internal-error",
		context.Canceled:         "internal-error",
	} {
		require.Equal(t, want, From(fmt.Errorf("load order: %w", err)).Code, err)
	}
}

func TestReadOfGarbageIsInternal(t *testing.T) {
	for _, body := range []string{"", "<html>", "{}", `{"code":7}`, "null"} {
		rec := httptest.NewRecorder()
		rec.Header().Set("Content-Type", "application/problem+json")
		rec.WriteHeader(http.StatusTeapot)
		_, _ = rec.WriteString(body)
		require.Equal(t, "internal-error", From(Read(rec.Result())).Code, body)
	}
}

func TestReadLeavesSuccessAlone(t *testing.T) {
	rec := httptest.NewRecorder()
	rec.WriteHeader(http.StatusAccepted)
	require.NoError(t, Read(rec.Result()))
}
