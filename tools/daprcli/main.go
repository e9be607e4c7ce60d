// Command dapr is the dapr CLI, which `make dev` uses to run dapr.yaml. It adds one thing to upstream's: the API tokens
// of this checkout's .run/env are put into the environment, because the CLI hands its own environment to both app and
// sidecar, and a stanza's env to the app only.
package main

import (
	"os"
	"strings"

	"github.com/dapr/cli/cmd"
)

var version = "unknown" // set by the linker; the CLI compares it with the sidecar's

func main() {
	exportTokens(".run/env")
	cmd.Execute(version, "1.0")
}

func exportTokens(path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		return // not in a checkout, or nothing was started yet
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key != "DAPR_API_TOKEN" && key != "APP_API_TOKEN" {
			continue
		}
		if _, set := os.LookupEnv(key); !set {
			os.Setenv(key, value)
		}
	}
}
