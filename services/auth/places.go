package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"
)

// Headers in which the gateway, which alone may call, says who is at the other end: the address of the browser, and the
// text of a cookie that every browser gets at its first sign-in and keeps.
const (
	clientAddress = "Sidecart-Client-Address"
	clientDevice  = "Sidecart-Client-Device"
)

const (
	placesKept = 180 * 24 * time.Hour // without a sign-in
	mostPlaces = 50                   // of an account
)

// place is where somebody is, as far as it can be told.
type place struct {
	address, device         string // device is "" in a browser that never signed in
	agent                   string
	addressHash, deviceHash []byte // what they are known by for one e-mail address
}

func (s *server) placeOf(r *http.Request, email string) place {
	p := place{address: r.Header.Get(clientAddress), device: r.Header.Get(clientDevice), agent: agentFamily(r.Header.Get(clientAgent))}
	p.addressHash = s.placeHash(email, "address", p.address)
	if p.device != "" {
		p.deviceHash = s.placeHash(email, "device", p.device)
	}
	return p
}

func (s *server) placeHash(email, kind, value string) []byte {
	mac := hmac.New(sha256.New, s.placeKey)
	fmt.Fprintf(mac, "%s\n%s\n%s", email, kind, value)
	return mac.Sum(nil)
}

// networkOf is the neighbourhood of an address, as people may recognise it in a list: enough to tell home from abroad, and
// too little to find anybody by.
func networkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	if ip = ip.Unmap(); ip.Is4() {
		b := ip.As4()
		return fmt.Sprintf("%d.%d.%d.x", b[0], b[1], b[2])
	}
	b := ip.As16()
	return fmt.Sprintf("%x:%x:%x:x", uint16(b[0])<<8|uint16(b[1]), uint16(b[2])<<8|uint16(b[3]), uint16(b[4])<<8|uint16(b[5]))
}

// guessAt is an attempt by somebody at p to prove to be the owner of subject, which email belongs to. Whether there is
// such an account makes no difference to what is done here.
func (s *server) guessAt(ctx context.Context, p place, subject string) (guess, error) {
	address, device, err := s.accounts.KnownPlace(ctx, p)
	if err != nil {
		return guess{}, err
	}
	g := guess{subject: subject, address: p.address, known: address || device}
	if device {
		g.device = p.device
	}
	return g, nil
}

// KnownPlace reports whether an account was signed in to from this address and by this device.
func (s *store) KnownPlace(ctx context.Context, p place) (address, device bool, err error) {
	err = s.db.QueryRow(ctx, `
		select exists (select from places where hash = $1), exists (select from places where hash = $2)`,
		p.addressHash, p.deviceHash).Scan(&address, &device)
	if err != nil {
		return false, false, fmt.Errorf("look up places: %w", err)
	}
	return address, device, nil
}

// arrive remembers a place where the owner has proved to be. stranger reports whether it is a browser that was never seen
// before, while others were.
func arrive(ctx context.Context, tx pgx.Tx, accountID string, p place, now time.Time) (stranger bool, err error) {
	err = tx.QueryRow(ctx, `
		select exists (select from places where account_id = $1) and not exists (select from places where hash = $2)`,
		accountID, p.deviceHash).Scan(&stranger)
	if err != nil {
		return false, fmt.Errorf("look up places: %w", err)
	}
	for _, hash := range [][]byte{p.addressHash, p.deviceHash} {
		if hash == nil {
			continue
		}
		_, err := tx.Exec(ctx, `
			insert into places (hash, account_id, last_seen_at) values ($1, $2, $3)
			on conflict (hash) do update set last_seen_at = excluded.last_seen_at`, hash, accountID, now)
		if err != nil {
			return false, fmt.Errorf("remember place: %w", err)
		}
	}
	_, err = tx.Exec(ctx, `
		delete from places where hash in (select hash from places where account_id = $1 order by last_seen_at desc offset $2)`,
		accountID, mostPlaces)
	return stranger && p.device != "", err
}
