// Package components holds the Dapr components as YAML. This test compares their scopes with the facts that services
// tell one another.
package components

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/sidecart/sidecart/events"
)

type component struct {
	Kind     string
	Metadata struct{ Name string }
	Scopes   []string
	Spec     struct {
		Type     string
		Metadata []struct{ Name, Value string }
	}
}

func (c component) value(name string) string {
	for _, m := range c.Spec.Metadata {
		if m.Name == name {
			return m.Value
		}
	}
	return ""
}

// grants reads "app=topic,topic;app=topic".
func grants(scopes string) map[string][]string {
	byTopic := map[string][]string{}
	for _, app := range strings.Split(scopes, ";") {
		name, topics, _ := strings.Cut(app, "=")
		for _, topic := range strings.Split(topics, ",") {
			byTopic[topic] = append(byTopic[topic], name)
		}
	}
	for _, apps := range byTopic {
		slices.Sort(apps)
	}
	return byTopic
}

func read(t *testing.T, path string) (list []component) {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	for decoder := yaml.NewDecoder(file); ; {
		var c component
		err := decoder.Decode(&c)
		if errors.Is(err, io.EOF) {
			return list
		}
		require.NoError(t, err, path)
		list = append(list, c)
	}
}

func TestPubsubScopesAreTheRoutesOfEvents(t *testing.T) {
	files, err := filepath.Glob("alternatives/pubsub-*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range append(files, "pubsub.yaml") {
		publish, subscribe, protected := map[string][]string{}, map[string][]string{}, map[string]bool{}
		for _, c := range read(t, path) {
			if !strings.HasPrefix(c.Spec.Type, "pubsub.") {
				continue
			}
			for topic, apps := range grants(c.value("publishingScopes")) {
				publish[topic] = append(publish[topic], apps...)
			}
			for topic, apps := range grants(c.value("subscriptionScopes")) {
				subscribe[topic] = append(subscribe[topic], apps...)
			}
			for _, topic := range strings.Split(c.value("protectedTopics"), ",") {
				protected[topic] = true
			}
			if topic, one := strings.CutPrefix(c.Metadata.Name, "pubsub-"); one {
				route, known := events.Routes[topic]
				require.True(t, known, "%s: %s", path, c.Metadata.Name)
				require.ElementsMatch(t, append([]string{route.Producer}, route.Consumers...), c.Scopes, c.Metadata.Name)
			}
		}
		for topic, route := range events.Routes {
			require.Equal(t, []string{route.Producer}, publish[topic], "%s: who tells %s", path, topic)
			require.ElementsMatch(t, route.Consumers, subscribe[topic], "%s: who hears %s", path, topic)
			require.True(t, protected[topic], "%s: %s is open to apps without a scope", path, topic)
		}
		for topic := range publish {
			_, known := events.Routes[topic]
			require.True(t, known || strings.HasPrefix(topic, "dead-"), "%s grants %s, which is no fact", path, topic)
		}
	}
}
