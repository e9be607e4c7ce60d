// Package deploy holds the files that run Sidecart in containers. These tests hold them against dapr.yaml and
// components/, the definitions that everything else follows.
package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

type runFile struct {
	Apps []struct {
		AppID   string            `yaml:"appID"`
		AppPort int               `yaml:"appPort"`
		Env     map[string]string `yaml:"env"`
	} `yaml:"apps"`
}

func load(t *testing.T) (*types.Project, runFile) {
	t.Helper()
	var env []string
	script, err := os.ReadFile("compose/secrets.sh")
	require.NoError(t, err)
	compose, err := os.ReadFile("../docker-compose.yml")
	require.NoError(t, err)
	for _, word := range strings.FieldsFunc(string(compose), func(r rune) bool { return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", r) }) {
		if strings.Contains(string(compose), "${"+word) {
			require.Contains(t, string(script), word, "compose/secrets.sh makes every secret that docker-compose.yml asks for")
			env = append(env, word+"=x")
		}
	}
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithEnv(env))
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)

	var apps runFile
	text, err := os.ReadFile("../dapr.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &apps))
	require.Len(t, apps.Apps, 9)
	return project, apps
}

func TestEveryServiceOfDaprYAMLIsInCompose(t *testing.T) {
	project, file := load(t)
	for _, app := range file.Apps {
		service, err := project.GetService(app.AppID)
		require.NoError(t, err)
		require.Equal(t, types.ShellCommand{app.AppID}, service.Command)
		for name := range app.Env {
			require.Contains(t, service.Environment, name, app.AppID)
		}
		require.True(t, service.ReadOnly, app.AppID)

		sidecar, err := project.GetService(app.AppID + "-daprd")
		require.NoError(t, err)
		require.Equal(t, "service:"+app.AppID, sidecar.NetworkMode)
		i := slices.Index(sidecar.Command, "--app-id")
		require.Positive(t, i)
		require.Equal(t, app.AppID, sidecar.Command[i+1])
		require.Equal(t, *service.Environment["APP_PORT"], sidecar.Command[slices.Index(sidecar.Command, "--app-port")+1])
		require.Contains(t, strings.Join(sidecar.Command, " "), "--dapr-listen-addresses 127.0.0.1")
	}
}

// TestEverySecretOfAComponentReachesItsSidecars compares the components' references with the sidecars' environment.
func TestEverySecretOfAComponentReachesItsSidecars(t *testing.T) {
	project, file := load(t)
	paths, err := filepath.Glob("../components/*.yaml")
	require.NoError(t, err)
	checked := 0
	for _, path := range paths {
		text, err := os.Open(path)
		require.NoError(t, err)
		defer text.Close()
		for decoder := yaml.NewDecoder(text); ; {
			var component struct {
				Kind   string
				Scopes []string
				Spec   struct {
					Metadata []struct {
						SecretKeyRef struct{ Name string } `yaml:"secretKeyRef"`
					} `yaml:"metadata"`
				}
			}
			if decoder.Decode(&component) != nil {
				break
			}
			for _, item := range component.Spec.Metadata {
				if item.SecretKeyRef.Name == "" {
					continue
				}
				for _, app := range component.Scopes {
					sidecar, err := project.GetService(app + "-daprd")
					require.NoError(t, err)
					require.Contains(t, sidecar.Environment, item.SecretKeyRef.Name, app)
					checked++
				}
			}
		}
	}
	require.Greater(t, checked, len(file.Apps))
}

func TestOnlyGatewayAndSandboxArePublishedAndOnlyHere(t *testing.T) {
	project, _ := load(t)
	for name, service := range project.Services {
		for _, port := range service.Ports {
			require.Contains(t, []string{"gateway", "sandbox"}, name)
			require.Equal(t, "127.0.0.1", port.HostIP)
		}
	}
}

func TestEveryMountedFileIsThere(t *testing.T) {
	project, _ := load(t)
	for name, service := range project.Services {
		for _, volume := range service.Volumes {
			if volume.Type == types.VolumeTypeBind {
				require.FileExists(t, volume.Source+map[bool]string{true: "/pubsub.yaml"}[strings.HasSuffix(volume.Source, "components")], name)
			}
		}
	}
}
