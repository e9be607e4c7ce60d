package events

import "time"

// Topics told by inventory.
const (
	TopicStockReserved            = "stock-reserved-v1"
	TopicStockRejected            = "stock-rejected-v1"
	TopicStockAvailabilityChanged = "stock-availability-changed-v1"
	TopicStockLow                 = "stock-low-v1"
)

// StockReserved is told by inventory when every line of an order is held for it, until ExpiresAt.
type StockReserved struct {
	OrderID   string    `json:"orderId"`
	ExpiresAt time.Time `json:"expiresAt"`
}

func (StockReserved) Topic() string     { return TopicStockReserved }
func (e StockReserved) Subject() string { return e.OrderID }

// Shortage is a line that could not be held.
type Shortage struct {
	SKU       string `json:"sku"`
	Wanted    int    `json:"wanted"`
	Available int    `json:"available"`
}

// StockRejected is told by inventory when at least one line of an order is short; nothing is held for it then.
type StockRejected struct {
	OrderID   string     `json:"orderId"`
	Shortages []Shortage `json:"shortages"`
}

func (StockRejected) Topic() string     { return TopicStockRejected }
func (e StockRejected) Subject() string { return e.OrderID }

// StockAvailabilityChanged is told by inventory when the last free piece of a SKU is taken, when there are free ones again,
// and when a SKU comes into stock for the first time; not at each sale. Version grows with each of them, so that of two that
// arrive in the wrong order the one with the higher version holds.
type StockAvailabilityChanged struct {
	SKU       string `json:"sku"`
	Available int64  `json:"available"`
	InStock   bool   `json:"inStock"`
	Version   int64  `json:"version"`
}

func (StockAvailabilityChanged) Topic() string     { return TopicStockAvailabilityChanged }
func (e StockAvailabilityChanged) Subject() string { return e.SKU }

// StockLow is told by inventory when no more pieces of a SKU are free than its threshold, once until there are.
type StockLow struct {
	SKU       string `json:"sku"`
	Available int64  `json:"available"`
	Threshold int64  `json:"threshold"`
}

func (StockLow) Topic() string     { return TopicStockLow }
func (e StockLow) Subject() string { return e.SKU }
