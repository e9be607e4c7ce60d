package sidecar

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/dapr/dapr/pkg/proto/runtime/v1"
	"github.com/dapr/go-sdk/client"

	"github.com/sidecart/sidecart/events"
)

const (
	handleTimeout = 30 * time.Second

	resubscribe     = 250 * time.Millisecond // pause before the first try to subscribe again; it doubles
	resubscribeMost = 4 * time.Second
)

func (c *Client) pubsubName(topic string) string {
	return strings.ReplaceAll(c.pubsub, "{topic}", topic)
}

// Publish hands facts of one topic to the broker as one message, whose data is a batch in the JSON format of CloudEvents
// 1.0 (section 4): a message costs the sidecars and the broker the same however many facts are in it. That it was taken
// is a hint: a broker may still lose it, which is what the feed is for.
func (c *Client) Publish(ctx context.Context, topic string, facts []events.Envelope) error {
	body, err := json.Marshal(facts)
	if err != nil {
		return fmt.Errorf("encode %s: %w", topic, err)
	}
	if err := c.dapr.PublishEvent(ctx, c.pubsubName(topic), topic, body, client.PublishEventWithContentType("application/json")); err != nil {
		return fmt.Errorf("publish %s: %w", topic, err)
	}
	return nil
}

// Subscribe delivers a topic's events to handle until ctx ends, reconnecting as long as it takes. It is a streaming
// subscription: the app has no route that a stranger could call. Several messages are handled at once, in no order, each
// with one or more events. nil acknowledges a message, any other answer has it delivered again; what is no message of ours
// goes to the broker's dead letters.
func (c *Client) Subscribe(ctx context.Context, topic string, handle func(context.Context, []events.Envelope) error) error {
	pause := resubscribe
	for {
		start := time.Now()
		err := c.receive(ctx, topic, handle)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end was asked for
		}
		if time.Since(start) > resubscribeMost {
			pause = resubscribe
		}
		slog.Warn("subscription interrupted", "topic", topic, "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
			pause = min(2*pause, resubscribeMost)
		}
	}
}

func (c *Client) receive(ctx context.Context, topic string, handle func(context.Context, []events.Envelope) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.dapr.GrpcClient().SubscribeTopicEventsAlpha1(ctx)
	if err != nil {
		return err
	}
	deadLetters := "dead-" + c.app
	if err := stream.Send(&runtime.SubscribeTopicEventsRequestAlpha1{
		SubscribeTopicEventsRequestType: &runtime.SubscribeTopicEventsRequestAlpha1_InitialRequest{
			InitialRequest: &runtime.SubscribeTopicEventsRequestInitialAlpha1{
				PubsubName: c.pubsubName(topic), Topic: topic, DeadLetterTopic: &deadLetters,
			},
		},
	}); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil {
		return err
	}
	slog.Info("subscribed", "topic", topic)

	var sending sync.Mutex
	var working sync.WaitGroup
	defer working.Wait()
	for {
		msg, err := stream.Recv()
		if err != nil {
			return err
		}
		event := msg.GetEventMessage()
		if event == nil {
			continue
		}
		working.Go(func() {
			status := c.handle(ctx, event, handle)
			sending.Lock()
			defer sending.Unlock()
			// An answer that does not arrive is a redelivery, which every consumer stands.
			_ = stream.Send(&runtime.SubscribeTopicEventsRequestAlpha1{
				SubscribeTopicEventsRequestType: &runtime.SubscribeTopicEventsRequestAlpha1_EventProcessed{
					EventProcessed: &runtime.SubscribeTopicEventsRequestProcessedAlpha1{
						Id: event.GetId(), Status: &runtime.TopicEventResponse{Status: status},
					},
				},
			})
		})
	}
}

// handle finishes what it began even if the subscription ends meanwhile.
func (c *Client) handle(ctx context.Context, m *runtime.TopicEventRequest, handle func(context.Context, []events.Envelope) error) runtime.TopicEventResponse_TopicEventResponseStatus {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handleTimeout)
	defer cancel()
	start := time.Now()
	var facts []events.Envelope
	if err := json.Unmarshal(m.GetData(), &facts); err != nil || len(facts) == 0 {
		slog.Error("delivery dropped", "topic", m.GetTopic(), "message", m.GetId(), "error", "not a batch of events")
		return runtime.TopicEventResponse_DROP
	}
	err := handle(ctx, facts)
	ids := make([]string, len(facts))
	for i, e := range facts {
		ids[i] = e.ID
	}
	attrs := []any{"topic", m.GetTopic(), "events", ids, "ms", float64(time.Since(start).Microseconds()) / 1000, "trace", facts[0].TraceParent}
	if err != nil {
		slog.Warn("delivery failed", append(attrs, "error", err.Error())...)
		return runtime.TopicEventResponse_RETRY
	}
	slog.Info("delivery", attrs...)
	return runtime.TopicEventResponse_SUCCESS
}
