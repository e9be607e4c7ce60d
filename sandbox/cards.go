package main

import "strings"

// card is one of Stripe's test payment methods and what it does (https://docs.stripe.com/testing).
type card struct {
	brand, last4, country string
	authentication        bool     // asks for 3-D Secure before anything else
	decline               *decline // refuses to pay, after authentication if that is asked for
}

// decline is why an issuer refuses; code and declineCode are Stripe's words.
type decline struct{ code, declineCode, message string }

var (
	declined = &decline{"card_declined", "generic_decline", "Your card was declined."}
	noFunds  = &decline{"card_declined", "insufficient_funds", "Your card has insufficient funds."}
	lost     = &decline{"card_declined", "lost_card", "Your card was declined."}
	stolen   = &decline{"card_declined", "stolen_card", "Your card was declined."}
	velocity = &decline{"card_declined", "card_velocity_exceeded", "Your card was declined for making repeated attempts too frequently or exceeding its amount limit."}
	fraud    = &decline{"card_declined", "fraudulent", "Your card was declined."}
	expired  = &decline{"expired_card", "", "Your card has expired."}
	cvc      = &decline{"incorrect_cvc", "", "Your card's security code is incorrect."}
	process  = &decline{"processing_error", "", "An error occurred while processing your card. Try again in a little bit."}
)

var cards = map[string]card{
	"pm_card_visa":               {brand: "visa", last4: "4242", country: "US"},
	"pm_card_visa_debit":         {brand: "visa", last4: "5556", country: "US"},
	"pm_card_mastercard":         {brand: "mastercard", last4: "4444", country: "US"},
	"pm_card_mastercard_debit":   {brand: "mastercard", last4: "3222", country: "US"},
	"pm_card_mastercard_prepaid": {brand: "mastercard", last4: "5100", country: "US"},
	"pm_card_amex":               {brand: "amex", last4: "8431", country: "US"},
	"pm_card_discover":           {brand: "discover", last4: "9424", country: "US"},
	"pm_card_diners":             {brand: "diners", last4: "3237", country: "US"},
	"pm_card_jcb":                {brand: "jcb", last4: "0505", country: "JP"},
	"pm_card_unionpay":           {brand: "unionpay", last4: "0005", country: "CN"},
	"pm_card_us":                 {brand: "visa", last4: "4242", country: "US"},
	"pm_card_de":                 {brand: "visa", last4: "0016", country: "DE"},
	"pm_card_fr":                 {brand: "visa", last4: "0003", country: "FR"},
	"pm_card_gb":                 {brand: "visa", last4: "0000", country: "GB"},
	"pm_card_jp":                 {brand: "visa", last4: "0003", country: "JP"},

	"pm_card_createDispute":                   {brand: "visa", last4: "0259", country: "US"},
	"pm_card_createDisputeProductNotReceived": {brand: "visa", last4: "2685", country: "US"},

	"pm_card_chargeDeclined":                      {brand: "visa", last4: "0002", country: "US", decline: declined},
	"pm_card_chargeDeclinedInsufficientFunds":     {brand: "visa", last4: "9995", country: "US", decline: noFunds},
	"pm_card_chargeDeclinedLostCard":              {brand: "visa", last4: "9987", country: "US", decline: lost},
	"pm_card_chargeDeclinedStolenCard":            {brand: "visa", last4: "9979", country: "US", decline: stolen},
	"pm_card_chargeDeclinedExpiredCard":           {brand: "visa", last4: "0069", country: "US", decline: expired},
	"pm_card_chargeDeclinedIncorrectCvc":          {brand: "visa", last4: "0127", country: "US", decline: cvc},
	"pm_card_chargeDeclinedProcessingError":       {brand: "visa", last4: "0119", country: "US", decline: process},
	"pm_card_chargeDeclinedVelocityLimitExceeded": {brand: "visa", last4: "6975", country: "US", decline: velocity},
	"pm_card_chargeDeclinedFraudulent":            {brand: "visa", last4: "0019", country: "US", decline: fraud},
	"pm_card_radarBlock":                          {brand: "visa", last4: "0101", country: "US", decline: fraud},

	"pm_card_threeDSecure2Required":                                 {brand: "visa", last4: "3220", country: "IE", authentication: true},
	"pm_card_threeDSecureRequired":                                  {brand: "visa", last4: "3063", country: "US", authentication: true},
	"pm_card_threeDSecureRequiredChargeDeclined":                    {brand: "visa", last4: "1629", country: "US", authentication: true, decline: declined},
	"pm_card_threeDSecureRequiredProcessingError":                   {brand: "visa", last4: "1280", country: "US", authentication: true, decline: process},
	"pm_card_threeDSecureOptional":                                  {brand: "visa", last4: "3055", country: "US"},
	"pm_card_authenticationRequired":                                {brand: "visa", last4: "3184", country: "DE", authentication: true},
	"pm_card_authenticationRequiredOnSetup":                         {brand: "visa", last4: "3155", country: "DE", authentication: true},
	"pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": {brand: "visa", last4: "3178", country: "DE", authentication: true, decline: noFunds},
}

// cardOf finds a test payment method. Stripe names some declining cards with the brand and some without;
// pm_card_visa_chargeDeclined and pm_card_chargeDeclined are the same card here.
func cardOf(method string) (card, bool) {
	if c, ok := cards[method]; ok {
		return c, true
	}
	c, ok := cards[strings.Replace(method, "pm_card_visa_charge", "pm_card_charge", 1)]
	return c, ok
}
