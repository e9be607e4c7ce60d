package main

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/postgres"
)

// toldOf are the facts about a SKU in the outbox, in order.
func (f *fixture) toldOf(sku string) (told []events.Fact) {
	rows, err := f.stock.db.Query(f.Context(), `select topic, data from outbox where subject = $1 order by seq`, sku)
	require.NoError(f, err)
	var topic string
	var data []byte
	_, err = pgx.ForEachRow(rows, []any{&topic, &data}, func() error {
		var availability events.StockAvailabilityChanged
		var low events.StockLow
		switch topic {
		case events.TopicStockAvailabilityChanged:
			require.NoError(f, json.Unmarshal(data, &availability))
			told = append(told, availability)
		case events.TopicStockLow:
			require.NoError(f, json.Unmarshal(data, &low))
			told = append(told, low)
		}
		return nil
	})
	require.NoError(f, err)
	return told
}

func TestAvailabilityIsToldAtItsBorderOnly(t *testing.T) {
	f := newFixture(t, pieces("A", 8), pieces("B", 8), pieces("NONE", 0))
	there := func(n, version int64) events.Fact {
		return events.StockAvailabilityChanged{SKU: "A", Available: n, InStock: n > 0, Version: version}
	}
	low := func(n int64) events.Fact { return events.StockLow{SKU: "A", Available: n, Threshold: 5} }
	want := []events.Fact{there(8, 1)}
	require.Equal(t, want, f.toldOf("A"), "its first stock")
	require.Empty(t, f.toldOf("NONE"))

	first, second, third := newOrder(), newOrder(), newOrder()
	require.NoError(t, f.place(first, events.OrderLine{SKU: "A", Quantity: 2}, events.OrderLine{SKU: "B", Quantity: 1}))
	require.Equal(t, want, f.toldOf("A"), "six are free: no border is crossed")
	require.NoError(t, f.place(second, events.OrderLine{SKU: "A", Quantity: 1}))
	want = append(want, low(5))
	require.Equal(t, want, f.toldOf("A"))
	require.NoError(t, f.pay(second))
	require.NoError(t, f.place(third, events.OrderLine{SKU: "A", Quantity: 5}))
	want = append(want, there(0, 2))
	require.Equal(t, want, f.toldOf("A"), "low once, and gone once")
	require.NoError(t, f.place(newOrder(), events.OrderLine{SKU: "A", Quantity: 1}))
	require.NoError(t, f.pay(third))
	require.Equal(t, want, f.toldOf("A"), "what was held is sold: nothing changes for buyers")
	require.NoError(t, f.shut(third))
	want = append(want, there(5, 3))
	require.Equal(t, want, f.toldOf("A"), "cancelled: they are free again")
	require.NoError(t, f.shut(first))
	require.NoError(t, f.place(newOrder(), events.OrderLine{SKU: "A", Quantity: 2}))
	want = append(want, low(5))
	require.Equal(t, want, f.toldOf("A"), "low anew after they rose")
	require.Len(t, f.toldOf("B"), 1)
}

func TestAReturnMakesAvailableOnce(t *testing.T) {
	f := newFixture(t, pieces("A", 1))
	order, back := newOrder(), newOrder()
	require.NoError(t, f.place(order, events.OrderLine{SKU: "A", Quantity: 1}))
	require.NoError(t, f.pay(order))
	for range 3 {
		require.NoError(t, tell(f, f.returnReceived, events.ReturnReceived{OrderID: order, ReturnID: back, Restock: true,
			Lines: []events.OrderLine{{SKU: "A", Quantity: 1}}}))
	}
	require.Equal(t, []events.Fact{
		events.StockAvailabilityChanged{SKU: "A", Available: 1, InStock: true, Version: 1},
		events.StockAvailabilityChanged{SKU: "A", Available: 0, InStock: false, Version: 2},
		events.StockAvailabilityChanged{SKU: "A", Available: 1, InStock: true, Version: 3},
	}, f.toldOf("A"))
}

// Many orders at once: what is told last, by version, is how it is, and two neighbours never say the same.
func TestTheHighestVersionIsRight(t *testing.T) {
	f := newFixture(t, pieces("A", 3))
	var group sync.WaitGroup
	for range 40 {
		group.Go(func() {
			order := uuid.Must(uuid.NewV7()).String()
			if err := f.place(order, events.OrderLine{SKU: "A", Quantity: 1}); err != nil {
				t.Errorf("place: %v", err)
			}
			if err := f.shut(order); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	group.Wait()
	byVersion := map[int64]bool{}
	highest := int64(0)
	for _, fact := range f.toldOf("A") {
		if told, ok := fact.(events.StockAvailabilityChanged); ok {
			require.NotContains(t, byVersion, told.Version)
			byVersion[told.Version] = told.InStock
			highest = max(highest, told.Version)
		}
	}
	require.True(t, byVersion[highest], "everything was let go")
	for v := int64(2); v <= highest; v++ {
		require.NotEqual(t, byVersion[v-1], byVersion[v], "version %d", v)
	}
}

// Whatever happens to a level, who believes the facts alone knows whether it is in stock and whether it is low.
func TestFactsAreEnoughToFollow(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		l := level{SKU: "A", Threshold: rapid.Int64Range(0, 6).Draw(r, "threshold"), Version: 1}
		inStock, low := false, true
		for range rapid.IntRange(1, 30).Draw(r, "moves") {
			n := rapid.Int64Range(-l.Free, 10).Draw(r, "n")
			next, facts := l.moved(n)
			before := l
			l.Free += n
			for _, fact := range facts {
				switch told := fact.(type) {
				case events.StockAvailabilityChanged:
					require.Equal(r, l.Version+1, told.Version)
					require.NotEqual(r, inStock, told.InStock)
					inStock, l.Version = told.InStock, told.Version
				case events.StockLow:
					require.False(r, before.low())
					low = true
				}
			}
			require.Equal(r, l, next, "the version is that of the last fact")
			if !l.low() {
				low = false
			}
			require.Equal(r, l.Free > 0, inStock)
			require.Equal(r, l.low(), low)
		}
	})
}

func TestAFactThatIsNotCommittedIsNotTold(t *testing.T) {
	f := newFixture(t, pieces("A", 1))
	order := newOrder()
	err := postgres.InTx(t.Context(), f.stock.db, func(tx pgx.Tx) error {
		if err := f.orderPlaced(t.Context(), tx, events.OrderPlaced{OrderID: order, Lines: []events.OrderLine{{SKU: "A", Quantity: 1}}}); err != nil {
			return err
		}
		return events.ErrMalformed // as if another fact of the round failed
	})
	require.Error(t, err)
	require.Len(t, f.toldOf("A"), 1)
}
