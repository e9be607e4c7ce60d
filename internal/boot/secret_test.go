package boot

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecretsThatCanBeGuessed(t *testing.T) {
	const good = "9f2c41d07be85a36"
	for secret, ok := range map[string]bool{
		good: true, "postgres://ordering:" + good + "@db/ordering": true, "postgres://ordering@db/ordering?sslmode=verify-full": true,
		"mongodb://client:" + good + "@db/client": true, "sk_live_" + good: true,
		"": false, "postgres": false, good[:15]: false, "aaaaaaaaaaaaaaaaaaaaaaaa": false, "1212121212121212": false, "my-secret-password-1": false,
		"postgres://ordering:ordering@db/ordering": false, "postgres://ordering:@db/ordering": false, "mongodb://root:example@db/client": false,
		"amqp://guest:guest@rabbitmq:5672": false, "postgres://%zz:" + good + "@db": false,
	} {
		err := checkSecret("X", secret)
		require.Equal(t, ok, err == nil, "%q: %v", secret, err)
		if err != nil && secret != "" {
			require.NotContains(t, err.Error(), secret)
			require.NotContains(t, err.Error(), good)
		}
	}
}

// Every program reads its secrets and tokens by Env, so none starts with one that can be guessed.
func TestDefaultSecretsStartOnALaptopOnly(t *testing.T) {
	settings := map[string]string{"ORDERING_DATABASE_URL": "postgres://ordering:ordering@db/ordering", "APP_API_TOKEN": "token", "DAPR_API_TOKEN": "token"}
	env := NewEnv("ordering", func(name string) string { return settings[name] })
	_, err := env.Secret(t.Context(), "DATABASE_URL")
	require.ErrorContains(t, err, "ORDERING_DATABASE_URL is too weak")
	_, err = env.Sidecar(t.Context())
	require.ErrorContains(t, err, "APP_API_TOKEN is too weak")
	settings["SIDECART_MODE"] = "local"
	url, err := env.Secret(t.Context(), "DATABASE_URL")
	require.NoError(t, err)
	require.Equal(t, settings["ORDERING_DATABASE_URL"], url)
}
