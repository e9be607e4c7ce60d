// Notification writes to customers: it hears what happened, asks the owners of the personal data what to write to whom
// at the moment of writing, and sends by Amazon SES. It keeps who was to be told what and whether that worked, but no
// address, no text and no token.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/postgres"
)

func main() { boot.Main("notification", run) }

func run(ctx context.Context, env boot.Env) error {
	car, err := env.Sidecar(ctx)
	if err != nil {
		return err
	}
	sender, err := openSES(ctx, env)
	if err != nil {
		return err
	}
	shop, err := url.Parse(env.Get("SIDECART_PUBLIC_URL"))
	if err != nil || shop.Host == "" {
		return errors.New("SIDECART_PUBLIC_URL must be the address that customers know the shop by")
	}
	alerts, err := operatorsAddress(env)
	if err != nil {
		return err
	}
	perSecond, err := strconv.Atoi(cmp.Or(env.Get("SEND_RATE"), "14"))
	if err != nil || perSecond < 1 {
		return errors.New("NOTIFICATION_SEND_RATE must be how many mails a second this replica may send")
	}
	address, err := env.Secret(ctx, "DATABASE_URL")
	if err != nil {
		return err
	}
	pool, err := postgres.Open(ctx, address, migrations())
	if err != nil {
		return err
	}
	defer pool.Close()

	delay, err := delayOfRestocks(env)
	if err != nil {
		return err
	}
	srv := &server{pool: pool, store: newStore(pool)}
	writer := &writer{
		store: srv.store, owners: owners{car.Call}, ses: sender, shop: shop, operators: alerts, now: time.Now,
		limit: rate.NewLimiter(rate.Limit(perSecond), perSecond),
	}
	back := &restocker{store: srv.store, owners: writer.owners, delay: delay}
	tasks := append(outbox.Run(pool, car, "notification", subscriptions()...), append(writer.background(pool), back.background)...)
	return boot.Serve(ctx, env, srv.routes(), []func(context.Context) error{pool.Ping, car.Ready}, tasks...)
}

// delayOfRestocks is how long something has to be back in stock before it is told: NOTIFICATION_RESTOCK_DELAY.
func delayOfRestocks(env boot.Env) (time.Duration, error) {
	s := env.Get("RESTOCK_DELAY")
	if s == "" {
		return restockDelay, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errors.New("NOTIFICATION_RESTOCK_DELAY must be a duration such as 5m")
	}
	return d, nil
}

// operatorsAddress is where alerts go: NOTIFICATION_OPERATORS.
func operatorsAddress(env boot.Env) (string, error) {
	address := env.Get("OPERATORS")
	if address == "" && env.Local() {
		address = "operators@sidecart.example"
	}
	if parsed, err := netmail.ParseAddress(address); err != nil || parsed.Address != address {
		return "", errors.New("NOTIFICATION_OPERATORS must be the e-mail address that alerts go to")
	}
	return address, nil
}

// openSES is Amazon's own endpoint of the region unless AWS_ENDPOINT_URL_SESV2 names a stand-in, which no production may
// have.
func openSES(ctx context.Context, env boot.Env) (*sesSender, error) {
	endpoint, region, sender := env.Get("AWS_ENDPOINT_URL_SESV2"), env.Get("AWS_REGION"), env.Get("SENDER")
	if endpoint != "" && !env.Local() {
		return nil, errors.New("AWS_ENDPOINT_URL_SESV2 is for local mode: a stand-in sends no mail")
	}
	if region == "" || sender == "" {
		return nil, errors.New("AWS_REGION and NOTIFICATION_SENDER must be set")
	}
	keyID, err := env.Secret(ctx, "AWS_ACCESS_KEY_ID")
	if err != nil {
		return nil, err
	}
	key, err := env.Secret(ctx, "AWS_SECRET_ACCESS_KEY")
	if err != nil {
		return nil, err
	}
	if keyID == "" || key == "" {
		return nil, fmt.Errorf("the secrets AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set")
	}
	return newSES(endpoint, region, keyID, key, sender), nil
}
