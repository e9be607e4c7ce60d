package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
)

func TestPlainConsumersCatchUpFromTheirCursor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bus.set(func(b *bus) { b.swallow = true })
	f.tell(t, 5)
	cursors, heard := &memoryCursors{}, &sync.Map{}
	sub := PlainSubscription{Producer: "ordering", Topic: events.TopicOrderPaid, Apply: func(_ context.Context, e events.Envelope) error {
		fact, err := Decode[events.OrderPaid](e)
		heard.Store(fact.OrderID, true)
		return err
	}}
	start(t, RunPlain(cursors, f.bus, "inventory", sub)...)
	require.Eventually(t, func() bool {
		n := 0
		heard.Range(func(any, any) bool { n++; return true })
		return n == 5
	}, 20*time.Second, 20*time.Millisecond)
	cursor, err := cursors.Load(t.Context(), "ordering")
	require.NoError(t, err)
	require.NotEmpty(t, cursor)
}

// script is a producer whose feed says what the test wants, and notes what it was asked for.
type script struct {
	Bus
	page  feedPage
	after []string
	cut   string // of the last call
}

func (s *script) Call(_ context.Context, _, _, path string, _, out any) error {
	u, err := url.Parse(path)
	if err != nil {
		return err
	}
	s.after, s.cut = append(s.after, u.Query().Get("after")), u.Query().Get("cut")
	b, err := json.Marshal(s.page)
	if err != nil {
		return err
	}
	s.page.More = false
	return json.Unmarshal(b, out)
}

func TestTheCursorIsSavedWithWhatWasHeard(t *testing.T) {
	cursors, feed := &memoryCursors{}, &script{}
	var refusal error
	handlers := map[string]func(context.Context, events.Envelope) error{events.TopicOrderPaid: func(context.Context, events.Envelope) error { return refusal }}
	c := &catchup{bus: feed, producer: "ordering", topics: []string{events.TopicOrderPaid}, store: plain{cursors, handlers}}
	round := func(next string, facts int) {
		t.Helper()
		feed.after, feed.page.NextCursor, feed.page.Cut, feed.page.Items = nil, next, "cut "+next, nil
		for range facts {
			feed.page.Items = append(feed.page.Items, events.Envelope{Type: events.TopicOrderPaid, Data: []byte(`{}`)})
		}
		require.NoError(t, c.round(t.Context()))
	}
	asked := func() string { return strings.Join(feed.after, " ") }
	saved := func() string {
		s, err := cursors.Load(t.Context(), "ordering")
		require.NoError(t, err)
		return s
	}

	round("1", 0)
	require.Equal(t, [2]string{"", ""}, [2]string{asked(), saved()}, "nothing was heard")
	round("2", 1)
	require.Equal(t, [2]string{"1", "2"}, [2]string{asked(), saved()})
	feed.page.More = true
	round("3", 1)
	require.Equal(t, [2]string{"2 3", "3"}, [2]string{asked(), saved()})

	refusal = errors.New("not yet")
	round("4", 1)
	round("4", 1)
	require.Equal(t, [2]string{"3", "3"}, [2]string{asked(), saved()}, "it is offered again")
	require.Equal(t, "cut 4", feed.cut, "with what has come since")
	refusal = nil
	round("5", 0)
	require.Equal(t, [2]string{"3", "3"}, [2]string{asked(), saved()})
	round("6", 0)
	require.Equal(t, "5", asked())

	require.NoError(t, cursors.Save(t.Context(), "ordering", "9"))
	round("10", 0)
	require.Equal(t, "9", asked(), "another replica has heard more")
	require.NoError(t, cursors.Save(t.Context(), "ordering", ""))
	round("11", 0)
	require.Equal(t, "", asked(), "the store was lost, and what was heard with it")
}

type memoryCursors struct{ sync.Map }

func (m *memoryCursors) Load(_ context.Context, producer string) (string, error) {
	v, _ := m.Map.Load(producer)
	s, _ := v.(string)
	return s, nil
}

func (m *memoryCursors) Save(_ context.Context, producer, cursor string) error {
	m.Store(producer, cursor)
	return nil
}
