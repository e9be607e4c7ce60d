package boot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/sidecar"
)

// Env is what a program is told from outside: settings by environment, secrets by its sidecar's secret store.
type Env struct{ *env }

type env struct {
	app      string
	getenv   func(string) string
	verifier *identity.Verifier
	askEnded identity.AskEnded

	mu      sync.Mutex
	sidecar *sidecar.Client
}

// NewEnv reads settings of app through getenv.
func NewEnv(app string, getenv func(string) string) Env {
	return Env{&env{app: app, getenv: getenv}}
}

// Get is the setting APP_NAME, e.g. ORDERING_DATABASE_URL, or else NAME, or "".
func (e Env) Get(name string) string {
	return cmp.Or(e.getenv(strings.ToUpper(e.app)+"_"+name), e.getenv(name))
}

// Local reports whether this is a developer's machine rather than production, where no default secret is accepted.
func (e Env) Local() bool { return e.Get("SIDECART_MODE") == "local" }

// Secret is the setting APP_NAME if there is one, as for commands and tests, and otherwise the secret NAME of the
// service's secret store. Outside local mode one that can be guessed is refused.
func (e Env) Secret(ctx context.Context, name string) (string, error) {
	setting := strings.ToUpper(e.app) + "_" + name
	secret := e.getenv(setting)
	if secret == "" {
		c, err := e.Sidecar(ctx)
		if err != nil {
			return "", err
		}
		if secret, err = c.Secret(ctx, name); err != nil {
			return "", err
		}
	}
	if !e.Local() {
		return secret, checkSecret(setting, secret)
	}
	return secret, nil
}

// Sidecar is the connection to the program's own sidecar, made at the first call.
func (e Env) Sidecar(ctx context.Context) (*sidecar.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sidecar != nil {
		return e.sidecar, nil
	}
	if e.Get("APP_API_TOKEN") == "" || e.Get("DAPR_API_TOKEN") == "" {
		return nil, errors.New("APP_API_TOKEN and DAPR_API_TOKEN must be set: service and sidecar know each other by them")
	}
	if !e.Local() {
		for _, name := range []string{"APP_API_TOKEN", "DAPR_API_TOKEN"} {
			if err := checkSecret(name, e.Get(name)); err != nil {
				return nil, err
			}
		}
	}
	c, err := sidecar.Dial(ctx, func(name string) string {
		if name == "APP_ID" {
			return e.app
		}
		return e.getenv(name)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.app, err)
	}
	e.sidecar = c
	return c, nil
}

// UseVerifier replaces the verifier of access tokens, and who tells it of ended sessions; auth uses its own keys and rows.
func (e Env) UseVerifier(v *identity.Verifier, ask identity.AskEnded) {
	e.verifier, e.askEnded = v, ask
}

// Verifier checks access tokens against the keys that auth publishes. Serve has it follow which sessions have ended.
func (e Env) Verifier(context.Context) *identity.Verifier {
	if e.verifier == nil {
		e.verifier = identity.NewVerifier(identity.RemoteKeys(func(ctx context.Context) (keys identity.JWKS, err error) {
			return keys, e.askAuth(ctx, "/jwks.json", &keys)
		}))
		e.askEnded = func(ctx context.Context, since time.Time) (told identity.EndedSessions, err error) {
			query := url.Values{"since": {since.Format(time.RFC3339Nano)}}
			return told, e.askAuth(ctx, "/ended-sessions?"+query.Encode(), &told)
		}
	}
	return e.verifier
}

func (e Env) followEnded(ctx context.Context) error { return e.Verifier(ctx).Follow(ctx, e.askEnded) }

// askAuth asks in the service's own name, whoever's request it is asked for.
func (e Env) askAuth(ctx context.Context, path string, out any) error {
	c, err := e.Sidecar(ctx)
	if err != nil {
		return err
	}
	return c.Call(identity.WithToken(ctx, ""), "auth", http.MethodGet, path, nil, out)
}
