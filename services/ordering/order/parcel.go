package order

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
)

// Shipment is the parcel of an order.
type Shipment struct {
	Carrier        string    `json:"carrier"`
	TrackingNumber string    `json:"trackingNumber"`
	ShippedAt      time.Time `json:"shippedAt"`
	DeliveredAt    time.Time `json:"deliveredAt,omitzero"`
}

// tracking is where carriers show their parcels.
var tracking = map[string]string{
	"dhl":   "https://www.dhl.de/en/privatkunden/pakete-empfangen/verfolgen.html?piececode=%s",
	"dpd":   "https://tracking.dpd.de/status/en_US/parcel/%s",
	"fedex": "https://www.fedex.com/fedextrack/?trknbr=%s",
	"gls":   "https://gls-group.com/GROUP/en/parcel-tracking/?match=%s",
	"ups":   "https://www.ups.com/track?tracknum=%s",
}

// TrackingURL is where the parcel can be followed; "" if we do not know.
func (s *Shipment) TrackingURL() string {
	page, known := tracking[strings.ToLower(s.Carrier)]
	if !known || s.TrackingNumber == "" {
		return ""
	}
	return fmt.Sprintf(page, url.QueryEscape(s.TrackingNumber))
}

var (
	carrierForm  = regexp.MustCompile(`^(\pL[\pL\pN .&-]{0,39})?$`)
	trackingForm = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9-]{2,39})?$`)
)

// Ship says that the parcel has left the house. Either word about it may be "". Repeating it with other words corrects
// them, and is no second parcel.
func (o *Order) Ship(by identity.Identity, carrier, trackingNumber string, at time.Time) error {
	var wrong []problem.FieldError
	if !carrierForm.MatchString(carrier) {
		wrong = append(wrong, problem.FieldError{Field: "carrier", Detail: "must be a name of at most 40 characters"})
	}
	if !trackingForm.MatchString(trackingNumber) {
		wrong = append(wrong, problem.FieldError{Field: "trackingNumber", Detail: "must be 3 to 40 letters, digits and hyphens"})
	}
	if wrong != nil {
		return problem.New(problem.Unprocessable, "invalid-shipment", "The shipment is not right.").WithFields(wrong...)
	}
	switch {
	case o.Status == Shipped && o.Shipment.Carrier == carrier && o.Shipment.TrackingNumber == trackingNumber:
		return nil
	case o.Status == Shipped:
		o.Shipment.Carrier, o.Shipment.TrackingNumber = carrier, trackingNumber
		o.note(at, "The shipment's details were corrected.")
		o.sign(by)
		return nil
	case o.Status == Paid && (!o.Refundable().IsZero() || o.Total.IsZero()):
		o.Shipment = &Shipment{Carrier: carrier, TrackingNumber: trackingNumber, ShippedAt: at}
		o.move(Shipped, at, "Your parcel is on its way.")
		o.sign(by)
		o.raise(events.OrderShipped{
			OrderID: o.ID, Number: o.Number, CustomerID: string(o.Customer), Carrier: carrier, TrackingNumber: trackingNumber,
		})
		return nil
	case o.Status == Paid:
		return problem.New(problem.Conflict, "order-not-shippable", "All money of this order is going back to its customer.")
	}
	return problem.New(problem.Conflict, "order-not-shippable", "An order that is %s cannot be shipped.", o.Status)
}

// Deliver says that the parcel has arrived. Saying so twice is saying so once.
func (o *Order) Deliver(by identity.Identity, at time.Time) error {
	switch o.Status {
	case Delivered:
		return nil
	case Shipped:
		o.Shipment.DeliveredAt = at
		o.move(Delivered, at, "Your parcel has arrived.")
		o.sign(by)
		o.raise(events.OrderDelivered{OrderID: o.ID, Number: o.Number, CustomerID: string(o.Customer)})
		return nil
	}
	return problem.New(problem.Conflict, "order-not-deliverable", "An order that is %s cannot be delivered.", o.Status)
}
