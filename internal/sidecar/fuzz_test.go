package sidecar

import (
	"context"
	"errors"
	"testing"

	"github.com/dapr/dapr/pkg/proto/runtime/v1"

	"github.com/sidecart/sidecart/events"
)

// A message is a batch of facts, each handed on once, or it is dropped; nothing in between and no crash.
func FuzzDelivery(f *testing.F) {
	for _, data := range []string{
		`[{"specversion":"1.0","id":"1","source":"ordering","type":"order-placed-v1","subject":"o","time":"2026-03-01T12:00:00Z","data":{"a":1}}]`,
		`[]`, `{}`, `[null]`, `[{}]`, `[1]`, `null`, ``, `[{"time":"yesterday"}]`, `[[[[`,
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		handed := 0
		message := &runtime.TopicEventRequest{Id: "m", Topic: "order-placed-v1", Data: data}
		status := (&Client{}).handle(t.Context(), message, func(_ context.Context, facts []events.Envelope) error {
			handed = len(facts)
			if len(facts)%2 == 0 {
				return errors.New("not now")
			}
			return nil
		})
		want := runtime.TopicEventResponse_SUCCESS
		switch {
		case handed == 0:
			want = runtime.TopicEventResponse_DROP
		case handed%2 == 0:
			want = runtime.TopicEventResponse_RETRY
		}
		if status != want {
			t.Fatalf("%q: %d facts, %v", data, handed, status)
		}
	})
}
