package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/mesh"
)

// What must not be in a log, by its form: what the suite types in, and what looks like a credential.
var unspeakable = map[string]*regexp.Regexp{
	"an e-mail address": regexp.MustCompile(`[A-Za-z0-9._+-]+@example\.com`),
	"a street":          regexp.MustCompile(`(?i)torstra(ß|\\u00df)e`),
	"a name":            regexp.MustCompile(`Ada Lovelace`),
	"a password":        regexp.MustCompile(`long pass phrase`),
	"an access token":   regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.`),
	"a mailed token":    regexp.MustCompile(`[?&]token=`),
	"an authorization":  regexp.MustCompile(`(?i)bearer [a-z0-9]`),
}

// digits of the length of a card number, which are one if they check (ISO/IEC 7812-1, annex B).
var digits = regexp.MustCompile(`\b[0-9](?:[ -]?[0-9]){12,18}\b`)

func isCardNumber(s string) bool {
	sum, n := 0, 0
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] < '0' || s[i] > '9' {
			continue
		}
		d := int(s[i] - '0')
		if n%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum, n = sum+d, n+1
	}
	first := strings.TrimLeft(s, " -")[0]
	return sum%10 == 0 && (first == '3' || first == '4' || first == '5' || first == '6')
}

// secretsSeen are the cookies that the shop set while the suite ran.
type secretsSeen struct {
	mu     sync.Mutex
	values map[string]bool
}

func (s *secretsSeen) note(resp *http.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range resp.Cookies() {
		if len(c.Value) >= 20 {
			s.values[c.Value] = true
		}
	}
}

// said are the faults of a log: what it tells of people or credentials and, if its lines are to be JSON, lines that are
// not, as a value with a newline in it would make them.
func said(log io.Reader, asJSON bool, secrets map[string]bool) (faults []string) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for number := 1; lines.Scan(); number++ {
		line := lines.Text()
		tell := func(what string) {
			faults = append(faults, fmt.Sprintf("line %d holds %s: %.300s", number, what, line))
		}
		if asJSON && !json.Valid([]byte(line)) {
			tell("no JSON")
		}
		for what, form := range unspeakable {
			if form.MatchString(line) {
				tell(what)
			}
		}
		for _, number := range digits.FindAllString(line, -1) {
			if isCardNumber(number) {
				tell("a card number")
			}
		}
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(` "',;=&?{}[]()<>/\`, r) }) {
			if secrets[word] {
				tell("a secret")
			}
		}
	}
	return faults
}

// logFaults looks through the logs of the programs and their sidecars. The sandbox is the outside world, and the servers
// know nothing of the shop's people.
func logFaults(dir string, secrets map[string]bool) (faults []string, err error) {
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(env)) {
		if _, value, found := strings.Cut(strings.TrimSpace(line), "="); found && len(value) >= 20 && !strings.Contains(value, "://") {
			secrets[value] = true
		}
	}
	for _, app := range mesh.Apps {
		for _, name := range []string{app, app + "-daprd"} {
			file, err := os.Open(filepath.Join(dir, "log", name+".log"))
			if err != nil {
				return nil, err
			}
			defer file.Close()
			for _, fault := range said(file, name == app, secrets) {
				faults = append(faults, name+".log "+fault)
			}
		}
	}
	return faults, nil
}

func TestALogThatTellsTooMuchIsFound(t *testing.T) {
	secrets := map[string]bool{"s3cret-of-twenty-letters": true}
	for name, line := range map[string]string{
		"e-mail":        `{"msg":"signed in","email":"ada.1@example.com"}`,
		"street":        `{"to":"Torstraße 1"}`,
		"token":         `{"url":"/verify-email?token=abc"}`,
		"access token":  `{"h":"eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln"}`,
		"authorization": `{"header":"Bearer x"}`,
		"card":          `{"pan":"4242 4242 4242 4242"}`,
		"cookie":        `{"cookie":"__Host-refresh=s3cret-of-twenty-letters"}`,
		"newline":       "{\"name\":\"a\nlevel=ERROR\"}",
	} {
		require.NotEmpty(t, said(strings.NewReader(line), true, secrets), name)
	}
	harmless := `{"time":"2026-11-26T17:38:32.372634663Z","msg":"request","trace":"4d041487e46611c1a9f025b40cdc0039","caller":"01a218e8-0b1d-7e53-b2b6-acf06ab72cb2","order":"4111111111111112"}`
	require.Empty(t, said(strings.NewReader(harmless), true, secrets))
}
