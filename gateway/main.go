// Gateway is the only public door of the shop: a backend for the storefront. It maps a closed list of public routes onto
// the services behind the sidecar, keeps tokens in cookies, guards against other sites and floods, joins catalog's
// product pages with inventory's stock, streams order events, and serves the storefront and the API's description. It decides
// nothing about the shop and keeps no data.
package main

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sidecart/sidecart/internal/boot"
	"github.com/sidecart/sidecart/internal/sidecar"
	"github.com/sidecart/sidecart/internal/web"
)

// built is the storefront as `make` put it here; without it only a page that says so.
//
//go:embed all:static
var built embed.FS

const (
	stalledAfter = 30 * time.Second // how long a peer may take for the next piece of a file
	silentAfter  = time.Minute      // how long a reader of a stream may take nothing; services send a heartbeat far more often
)

type server struct {
	sidecar     *sidecar.Client
	calls       *calls
	sessions    *sessions
	limits      *limits
	crossOrigin *http.CrossOriginProtection
	site        *site
	api         *description
	answers     *answers
	news        *news
	stalled     time.Duration // stalledAfter
	silent      time.Duration // silentAfter
	stockAgain  atomic.Int64  // when inventory is asked again after a failure, in Unix nanoseconds
}

func main() { boot.Main("gateway", run) }

func run(ctx context.Context, env boot.Env) error {
	sc, err := env.Sidecar(ctx)
	if err != nil {
		return err
	}
	lim, err := newLimits(env.Get("RATE_ADDRESS"), env.Get("RATE_SESSION"))
	if err != nil {
		return err
	}
	static, err := fs.Sub(built, "static")
	if err != nil {
		return err
	}
	s, err := newServer(sc, lim, static)
	if err != nil {
		return err
	}
	public, err := net.Listen("tcp", cmp.Or(env.Get("ADDR"), "127.0.0.1:8080"))
	if err != nil {
		return fmt.Errorf("listen to the public: %w", err)
	}
	slog.Info("open to the public", "addr", public.Addr().String())
	return boot.Serve(ctx, env, web.Router(), []func(context.Context) error{sc.Ready}, s.news.listen, func(ctx context.Context) error {
		return boot.ServeHTTP(ctx, public, s.handler(), boot.Usual, nil)
	})
}

func newServer(sc *sidecar.Client, lim *limits, static fs.FS) (*server, error) {
	storefront, err := newSite(static)
	if err != nil {
		return nil, fmt.Errorf("read the storefront: %w", err)
	}
	api, err := newDescription(openapiYAML)
	if err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	calls := newCalls(sc)
	return &server{
		sidecar: sc, calls: calls, news: newNews(calls), sessions: newSessions(sc), limits: lim, crossOrigin: http.NewCrossOriginProtection(),
		site: storefront, api: api, answers: newAnswers(answersFor),
		stalled: stalledAfter, silent: silentAfter,
	}, nil
}
