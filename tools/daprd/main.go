// Command daprd is the Dapr sidecar, built from upstream's runtime packages with only the components that Sidecart
// supports and a name resolver for one machine. It takes the flags of upstream's daprd, so the dapr CLI drives it.
//
// Upstream's own main registers some hundred components, which costs each of nine sidecars 20 MiB and the build twice
// the time. Kubernetes and Compose use the public images.
package main

import (
	"context"
	"fmt"
	"os"
	"reflect"

	"github.com/dapr/dapr/cmd/daprd/options"
	"github.com/dapr/dapr/pkg/buildinfo"
	"github.com/dapr/dapr/pkg/healthz"
	"github.com/dapr/dapr/pkg/metrics"
	"github.com/dapr/dapr/pkg/modes"
	"github.com/dapr/dapr/pkg/runtime"
	"github.com/dapr/dapr/pkg/security"
	"github.com/dapr/kit/concurrency"
	"github.com/dapr/kit/logger"
	"github.com/dapr/kit/signals"
	"go.opencensus.io/stats/view"
)

func main() {
	log := logger.NewLogger("dapr.runtime")
	if err := loadEnvFile(os.Getenv("SIDECART_ENV_FILE")); err != nil {
		log.Fatalf("read secrets: %s", err)
	}
	opts, err := options.New(append(loopback, os.Args[1:]...))
	if err != nil {
		log.Fatalf("parse flags: %s", err)
	}
	switch {
	case opts.RuntimeVersion:
		fmt.Println(buildinfo.Version())
		return
	case opts.BuildInfo:
		fmt.Printf("Version: %s\nGit Commit: %s\nGit Version: %s\n", buildinfo.Version(), buildinfo.Commit(), buildinfo.GitVersion())
		return
	case opts.WaitCommand:
		runtime.WaitUntilDaprOutboundReady(opts.DaprHTTPPort)
		return
	}
	opts.Logger.SetAppID(opts.AppID)
	if err := logger.ApplyOptionsToLoggers(&opts.Logger); err != nil {
		log.Fatalf("set up logging: %s", err)
	}
	if err := run(signals.Context(), opts, log); err != nil {
		log.Fatalf("sidecar of %s stopped: %s", opts.AppID, err)
	}
}

// loopback makes 127.0.0.1 the default of the listeners that upstream opens on every interface and that `dapr run` has
// no flag for. A flag given later on the command line wins.
var loopback = []string{
	"--dapr-internal-grpc-listen-address=127.0.0.1",
	"--dapr-listen-addresses=127.0.0.1",
	"--metrics-listen-address=127.0.0.1",
}

// run starts the sidecar and returns when ctx ends and it has drained.
func run(ctx context.Context, opts *options.Options, log logger.Logger) error {
	health := healthz.New()
	provider, err := security.New(ctx, security.Options{
		SentryAddress:           opts.SentryAddress,
		ControlPlaneTrustDomain: opts.ControlPlaneTrustDomain,
		ControlPlaneNamespace:   opts.ControlPlaneNamespace,
		TrustAnchors:            opts.TrustAnchors,
		AppID:                   opts.AppID,
		MTLSEnabled:             opts.EnableMTLS,
		Mode:                    modes.DaprMode(opts.Mode),
		Healthz:                 health,
		JwtAudiences:            opts.SentryRequestJwtAudiences,
	})
	if err != nil {
		return fmt.Errorf("set up security: %w", err)
	}
	serve := func(ctx context.Context) error {
		handler, err := provider.Handler(ctx)
		if err != nil {
			return err
		}
		cfg := config(opts)
		cfg.Security = handler
		cfg.Healthz = health
		cfg.Registry = supported(logger.NewLogger("dapr.contrib"))
		cfg.Metrics = metrics.Options{
			Enabled:       opts.Metrics.Enabled(),
			Port:          opts.Metrics.Port(),
			ListenAddress: opts.Metrics.ListenAddress(),
			Namespace:     metrics.DefaultMetricNamespace,
			Meter:         view.NewMeter(),
			Healthz:       health,
			Log:           log,
		}
		rt, err := runtime.FromConfig(ctx, cfg)
		if err != nil {
			return err
		}
		return rt.Run(ctx)
	}
	return concurrency.NewRunnerManager(provider.Run, serve).Run(ctx)
}

// config carries the parsed flags over to the runtime. Upstream names them alike in both structs, but for two; a flag
// that a later release adds comes along by itself, and main_test.go notices one that is named differently.
func config(opts *options.Options) *runtime.Config {
	cfg := &runtime.Config{ApplicationPort: opts.AppPort, SchedulerStreams: opts.SchedulerJobStreams}
	from, to := reflect.ValueOf(opts).Elem(), reflect.ValueOf(cfg).Elem()
	for i := range from.NumField() {
		if target := to.FieldByName(from.Type().Field(i).Name); target.IsValid() && target.Type() == from.Field(i).Type() {
			target.Set(from.Field(i))
		}
	}
	return cfg
}
