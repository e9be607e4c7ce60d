package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/problem"
)

const usage = `Usage:
  auth                       serve (started beside its Dapr sidecar)
  auth grant-admin EMAIL     make a verified account an administrator
  auth grant-support EMAIL   make it one of the support staff
  auth suspend EMAIL         sign it out everywhere within five seconds, and let it sign in no more
  auth restore EMAIL         let it sign in again
  auth rotate-keys           make another signing key, which takes over in 15 minutes; it is made every 30 days anyhow
  auth replace-keys          make another at once and believe no other, because somebody may have got hold of one
  auth --help                show this

The commands work on the database at AUTH_DATABASE_URL; those for keys need AUTH_KEY_ENCRYPTION_KEY too. A role takes effect when the account's access token is next
refreshed, within five minutes, or at the next sign-in. Unless AUTH_STAFF_MFA is optional, which it is by default only
in local mode, staff have their roles only in sessions with a second factor: sign in as a customer, add an authenticator
app or a passkey on the account page, and the role is there.
`

// commands are what an operator can do to an account, each with the word for it having been done.
var commands = map[string]struct {
	do   func(ctx context.Context, accounts *store, email string) error
	done string
}{
	"grant-admin":   {grant(identity.Admin), "is an administrator now"},
	"grant-support": {grant(identity.Support), "is one of the support staff now"},
	"suspend": {func(ctx context.Context, accounts *store, email string) error {
		return accounts.Suspend(ctx, email, time.Now())
	}, "is suspended"},
	"restore": {func(ctx context.Context, accounts *store, email string) error {
		return accounts.Restore(ctx, email)
	}, "may sign in again"},
}

// keyCommands are what an operator can do to the signing keys.
var keyCommands = map[string]struct {
	do   func(k *keyring, ctx context.Context) error
	done string
}{
	"rotate-keys":  {(*keyring).announce, "another signing key is there and takes over in 15 minutes"},
	"replace-keys": {(*keyring).replace, "the signing keys are replaced: the former are believed nowhere within six minutes"},
}

func grant(role identity.Role) func(ctx context.Context, accounts *store, email string) error {
	return func(ctx context.Context, accounts *store, email string) error {
		return accounts.Grant(ctx, email, role)
	}
}

// command runs what the operator typed and returns the exit code: 0 done, 1 failed, 2 not understood.
func command(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	if c, known := keyCommands[args[0]]; known && len(args) == 1 {
		if err := onKeys(ctx, getenv, c.do); err != nil {
			fmt.Fprintf(stderr, "auth: %v\n", err)
			return 1
		}
		fmt.Fprintf(stdout, "%s.\n", c.done)
		return 0
	}
	c, known := commands[args[0]]
	switch {
	case args[0] == "--help" || args[0] == "-h" || args[0] == "help":
		fmt.Fprint(stdout, usage)
		return 0
	case !known:
		fmt.Fprintf(stderr, "auth: there is no command %q\n\n%s", args[0], usage)
		return 2
	case len(args) == 2 && (args[1] == "--help" || args[1] == "-h"):
		fmt.Fprint(stdout, usage)
		return 0
	case len(args) != 2:
		fmt.Fprintf(stderr, "auth: %s takes one e-mail address\n\n%s", args[0], usage)
		return 2
	}
	if err := onAccount(ctx, args[1], getenv("AUTH_DATABASE_URL"), c.do); err != nil {
		fmt.Fprintf(stderr, "auth: %v\n", err)
		return 1
	}
	fmt.Fprintf(stdout, "%s %s.\n", args[1], c.done)
	return 0
}

func onAccount(ctx context.Context, address, databaseURL string, do func(context.Context, *store, string) error) error {
	email, ok := NormalEmail(address)
	if !ok {
		return fmt.Errorf("%q is not an e-mail address", address)
	}
	err := onDatabase(ctx, databaseURL, func(ctx context.Context, accounts *store) error { return do(ctx, accounts, email) })
	switch {
	case problem.Is(err, "account-not-found"):
		return fmt.Errorf("there is no account with the address %s: register it in the shop first", email)
	case problem.Is(err, "email-not-verified"):
		return fmt.Errorf("the address %s has not been verified yet: follow the link in its mail first", email)
	}
	return err
}

func onKeys(ctx context.Context, getenv func(string) string, do func(k *keyring, ctx context.Context) error) error {
	seal, err := newSeal(getenv("AUTH_KEY_ENCRYPTION_KEY"), getenv("SIDECART_MODE") != "local")
	if err != nil {
		return err
	}
	return onDatabase(ctx, getenv("AUTH_DATABASE_URL"), func(ctx context.Context, accounts *store) error {
		keys := &keyring{store: accounts, seal: seal, now: time.Now}
		if _, _, err := keys.load(ctx); err != nil { // another secret than the service's would lock everybody out
			return err
		}
		return do(keys, ctx)
	})
}

func onDatabase(ctx context.Context, databaseURL string, do func(ctx context.Context, accounts *store) error) error {
	if databaseURL == "" {
		return errors.New("AUTH_DATABASE_URL is not set: it is the address of auth's own database, postgres://…")
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	db, err := postgres.Open(ctx, databaseURL, migrations())
	if err != nil {
		return err
	}
	defer db.Close()
	return do(ctx, &store{db})
}
