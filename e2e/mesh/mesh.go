// Package mesh is who may call whom: a written table. One test holds it against the sources and the sidecars' allow-lists,
// another tries it, and who may tell and hear what, against the sidecars of a running shop.
package mesh

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Apps are the programs with a sidecar.
var Apps = []string{"auth", "basket", "catalog", "client", "gateway", "inventory", "notification", "ordering", "payment"}

// Call is a route of a service and the apps that have business there.
type Call struct {
	Callee, Method, Path string
	Callers              []string

	// Open means that the service itself answers whoever is in the mesh, by the caller's token or since it is no secret;
	// under SECURE=1 the callers alone get through.
	Open bool

	Soon bool // the gateway offers it already, the service does not
}

func (c Call) String() string { return c.Callee + " " + c.Method + " " + c.Path }

// Segment is what the allow-list of a sidecar knows of a path.
func (c Call) Segment() string {
	first, _, _ := strings.Cut(strings.TrimPrefix(c.Path, "/"), "/")
	return "/" + first
}

//go:embed calls.txt
var written string

// Calls is the table: every route of every service.
func Calls() ([]Call, error) {
	var calls []Call
	for number, line := range strings.Split(written, "\n") {
		line, _, _ = strings.Cut(line, "#")
		route, callers, found := strings.Cut(line, ":")
		fields, names := strings.Fields(route), strings.Fields(callers)
		if len(fields) == 0 {
			continue
		}
		if !found || len(fields) != 3 || !slices.Contains(Apps, fields[0]) {
			return nil, fmt.Errorf("calls.txt:%d: %q is not a line such as %q", number+1, line, "auth GET /me: gateway")
		}
		c := Call{Callee: fields[0], Method: fields[1], Path: fields[2]}
		for _, name := range names {
			switch {
			case name == "open":
				c.Open = true
			case name == "soon":
				c.Soon = true
			case name == "all":
				c.Callers = without(Apps, c.Callee)
			case slices.Contains(Apps, name):
				c.Callers = append(c.Callers, name)
			default:
				return nil, fmt.Errorf("calls.txt:%d: there is no app %q", number+1, name)
			}
		}
		slices.Sort(c.Callers)
		calls = append(calls, c)
	}
	return calls, nil
}

func without(apps []string, app string) []string {
	return slices.DeleteFunc(slices.Clone(apps), func(a string) bool { return a == app })
}

// AllowList is what the sidecar of an app lets through under SECURE=1, as "caller METHOD /segment". A sidecar knows no more
// of a path than its first segment.
func AllowList(root, app string) (map[string]bool, error) {
	text, err := os.ReadFile(filepath.Join(root, "components", "secure", app+".yaml"))
	if err != nil {
		return nil, err
	}
	var file struct {
		Spec struct {
			AccessControl struct {
				DefaultAction string `yaml:"defaultAction"`
				TrustDomain   string `yaml:"trustDomain"`
				Policies      []struct {
					AppID         string `yaml:"appId"`
					DefaultAction string `yaml:"defaultAction"`
					TrustDomain   string `yaml:"trustDomain"`
					Namespace     string `yaml:"namespace"`
					Operations    []struct {
						Name     string   `yaml:"name"`
						HTTPVerb []string `yaml:"httpVerb"`
						Action   string   `yaml:"action"`
					} `yaml:"operations"`
				} `yaml:"policies"`
			} `yaml:"accessControl"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("allow-list of %s: %w", app, err)
	}
	control := file.Spec.AccessControl
	if control.DefaultAction != "deny" {
		return nil, fmt.Errorf("allow-list of %s: what is not in it must be denied", app)
	}
	allowed := map[string]bool{}
	for _, policy := range control.Policies {
		if policy.DefaultAction != "deny" || policy.TrustDomain != control.TrustDomain || policy.Namespace != "default" {
			return nil, fmt.Errorf("allow-list of %s: %s must be denied by default, in our trust domain and namespace", app, policy.AppID)
		}
		for _, operation := range policy.Operations {
			if operation.Action != "allow" {
				return nil, fmt.Errorf("allow-list of %s: %s is not an allowance", app, operation.Name)
			}
			for _, verb := range operation.HTTPVerb {
				allowed[policy.AppID+" "+verb+" "+operation.Name] = true
			}
		}
	}
	return allowed, nil
}
