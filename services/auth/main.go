// Auth is who the shop's people are: it registers accounts, checks passwords, keeps sessions and signs the access tokens
// that every service verifies. What a customer is like beyond that - address book, preferences - belongs to client.
package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/outbox"
	"github.com/sidecart/sidecart/internal/postgres"
)

const app = "auth"

//go:embed migrations/*.sql
var migrationFiles embed.FS

func main() {
	if len(os.Args) > 1 {
		os.Exit(command(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
	}
	boot.Main(app, run)
}

func run(ctx context.Context, env boot.Env) error {
	staffMFA, err := readStaffMFA(env.Get("STAFF_MFA"), env.Local())
	if err != nil {
		return err
	}
	relyingParty, err := newRelyingParty(env.Get("SIDECART_PUBLIC_URL"))
	if err != nil {
		return err
	}
	databaseURL, err := env.Secret(ctx, "DATABASE_URL")
	if err != nil {
		return err
	}
	secret, err := env.Secret(ctx, "KEY_ENCRYPTION_KEY")
	if err != nil {
		return err
	}
	seal, err := newSeal(secret, !env.Local())
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, databaseURL, migrations())
	if err != nil {
		return err
	}
	defer db.Close()
	accounts := &store{db}
	keys := &keyring{store: accounts, seal: seal, now: time.Now}
	if _, _, err := keys.load(ctx); err != nil {
		return err
	}
	env.UseVerifier(keys.verifier(), accounts.EndedSessions)
	sidecar, err := env.Sidecar(ctx)
	if err != nil {
		return err
	}
	s := &server{
		accounts: accounts, keys: keys, passwords: newHasher(), placeKey: seal.placeKey, now: time.Now,
		guard: &guard{state: sidecar.State(), now: time.Now}, state: sidecar.State(), staffMFA: staffMFA,
		relyingParty: relyingParty,
	}
	tasks := append(outbox.Run(db, sidecar, app), s.sweep)
	return boot.Serve(ctx, env, s.routes(), []func(context.Context) error{db.Ping, sidecar.Ready}, tasks...)
}

func migrations() fs.FS {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return files
}

// sweep deletes once an hour what has no use any more, and sees to the signing keys.
func (s *server) sweep(ctx context.Context) error {
	for {
		if err := errors.Join(s.accounts.Sweep(ctx, s.now()), s.keys.rotate(ctx)); err != nil && ctx.Err() == nil {
			slog.Warn("sweep failed, next try in an hour", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Hour):
		}
	}
}

// readStaffMFA reads whether staff have their roles only with a second factor: always, unless it says otherwise, but for
// a developer's machine, where the first administrator has just been made by a command.
func readStaffMFA(setting string, local bool) (bool, error) {
	switch setting {
	case "required":
		return true, nil
	case "optional":
		return false, nil
	case "":
		return !local, nil
	}
	return false, fmt.Errorf("AUTH_STAFF_MFA is %q: it must be required or optional", setting)
}
