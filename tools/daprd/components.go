package main

import (
	"github.com/dapr/components-contrib/nameresolution/mdns"
	"github.com/dapr/components-contrib/nameresolution/nameformat"
	nrsqlite "github.com/dapr/components-contrib/nameresolution/sqlite"
	"github.com/dapr/components-contrib/pubsub/jetstream"
	"github.com/dapr/components-contrib/pubsub/rabbitmq"
	pubsubredis "github.com/dapr/components-contrib/pubsub/redis"
	secretenv "github.com/dapr/components-contrib/secretstores/local/env"
	secretfile "github.com/dapr/components-contrib/secretstores/local/file"
	postgresql "github.com/dapr/components-contrib/state/postgresql/v2"
	stateredis "github.com/dapr/components-contrib/state/redis"
	statesqlite "github.com/dapr/components-contrib/state/sqlite"
	"github.com/dapr/dapr/pkg/components"
	"github.com/dapr/dapr/pkg/components/bindings"
	configurations "github.com/dapr/dapr/pkg/components/configuration"
	conversations "github.com/dapr/dapr/pkg/components/conversation"
	cryptos "github.com/dapr/dapr/pkg/components/crypto"
	locks "github.com/dapr/dapr/pkg/components/lock"
	middlewares "github.com/dapr/dapr/pkg/components/middleware/http"
	nameresolutions "github.com/dapr/dapr/pkg/components/nameresolution"
	pubsubs "github.com/dapr/dapr/pkg/components/pubsub"
	secretstores "github.com/dapr/dapr/pkg/components/secretstores"
	states "github.com/dapr/dapr/pkg/components/state"
	"github.com/dapr/dapr/pkg/runtime/registry"
	"github.com/dapr/kit/logger"
)

// supported lists every component that a file under components/ may name. One that is missing here is refused by the
// sidecar at start, so a new broker or store is one line here and one YAML file there.
func supported(log logger.Logger) *registry.Options {
	ps := pubsubs.NewRegistry()
	ps.Logger = log
	ps.RegisterComponent(rabbitmq.NewRabbitMQ, "rabbitmq")
	ps.RegisterComponent(pubsubredis.NewRedisStreams, "redis")
	ps.RegisterComponent(jetstream.NewJetStream, "jetstream")

	st := states.NewRegistry()
	st.Logger = log
	st.RegisterComponent(stateredis.NewRedisStateStore, "redis")
	st.RegisterComponentWithVersions("postgresql", components.Versioning{
		Preferred: components.VersionConstructor{Version: "v2", Constructor: postgresql.NewPostgreSQLStateStore},
		Default:   "v2",
	})

	st.RegisterComponent(statesqlite.NewSQLiteStateStore, "sqlite")

	se := secretstores.NewRegistry()
	se.Logger = log
	se.RegisterComponent(secretenv.NewEnvSecretStore, "local.env")
	se.RegisterComponent(secretfile.NewLocalSecretStore, "local.file")

	nr := nameresolutions.NewRegistry()
	nr.Logger = log
	nr.RegisterComponent(newStaticResolver, "static")
	nr.RegisterComponent(nameformat.NewResolver, "nameformat")
	nr.RegisterComponent(nrsqlite.NewResolver, "sqlite")
	nr.RegisterComponent(mdns.NewResolver, "mdns")

	return registry.NewOptions().
		WithPubSubs(ps).WithStateStores(st).WithSecretStores(se).WithNameResolutions(nr).
		// Nothing of these kinds: a component of one gets upstream's "not registered" instead of a nil registry.
		WithBindings(bindings.NewRegistry()).WithConfigurations(configurations.NewRegistry()).WithLocks(locks.NewRegistry()).
		WithCryptoProviders(cryptos.NewRegistry()).WithConversations(conversations.NewRegistry()).WithHTTPMiddlewares(middlewares.NewRegistry())
}
