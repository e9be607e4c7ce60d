package api

import (
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/shop"
)

// marker is a word that is nowhere but where it was planted.
func marker(what string) string { return what + strings.ReplaceAll(uuid.NewString(), "-", "")[:16] }

// instanceDir is where the running system keeps its files.
func instanceDir(t *testing.T) string {
	t.Helper()
	dir := cmp.Or(os.Getenv("SIDECART_DIR"), ".run")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join("..", "..", dir)
	}
	if _, err := os.Stat(filepath.Join(dir, "env")); err != nil {
		t.Skip("the system under test has no directory here: SIDECART_DIR")
	}
	return dir
}

// setting is one line of the instance's environment.
func setting(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(instanceDir(t), "env"))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), name+"="); found {
			return value
		}
	}
	return ""
}

// Whoever is erased is found nowhere afterwards: in no table or document of any service, no key of the state store, no log
// and nothing that the broker has on its disk. What the law keeps of a sale, the invoice, is the one exception. Before
// that, the export has held every field.
func TestAnErasedCustomerIsFoundNowhere(t *testing.T) {
	shop.Require(t)
	t.Parallel()
	dir := instanceDir(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)

	account := shop.NewAccount()
	account.Email, account.Name = marker("mail")+"@example.com", "Ada "+marker("Name")
	at := func(what string) shop.Address {
		return shop.Address{Name: "Eve " + marker(what+"Person"), Line1: marker(what+"Street") + " 1", Line2: marker(what + "Floor"),
			City: marker(what + "Town"), PostalCode: "10119", Country: "DE"}
	}
	book, unpaid, bought := at("Book"), at("Unpaid"), at("Bought")
	phone := "+49 30 " + strconv.Itoa(100_000_000+int(time.Now().UnixNano()%800_000_000))
	reason := "Too small, says " + marker("Reason")

	s := shop.New()
	require.NoError(t, s.Register(ctx, account))
	require.NoError(t, s.Do(ctx, http.MethodPatch, "account/profile", map[string]any{"phone": phone}, nil))
	require.NoError(t, s.Do(ctx, http.MethodPatch, "account/preferences", map[string]any{"language": "de", "consents": map[string]bool{"marketing": true}}, nil))
	require.NoError(t, s.Do(ctx, http.MethodPost, "account/addresses", book, nil))
	variants, err := shop.InStock(ctx, 2)
	require.NoError(t, err)
	require.NoError(t, s.Do(ctx, http.MethodPut, "account/wishlist/"+variants[1].SKU, nil, nil))
	place := func(to shop.Address, method, status string) shop.Order {
		_, err := s.Put(ctx, variants[0].SKU, 1)
		require.NoError(t, err)
		checkout := shop.With(method)
		checkout.Address = to
		order, err := s.Place(ctx, checkout, "")
		require.NoError(t, err)
		order, err = s.Await(ctx, order.ID, status)
		require.NoError(t, err)
		return order
	}
	place(unpaid, "pm_card_visa_chargeDeclined", "payment_failed")
	order := place(bought, "pm_card_visa", "paid")
	admin := newStaff(ctx, t)
	require.NoError(t, admin.Do(ctx, http.MethodPut, "admin/orders/"+order.ID+"/shipment", map[string]string{"carrier": "DHL", "trackingNumber": "JJD000390007882823"}, nil))
	require.NoError(t, admin.Do(ctx, http.MethodPut, "admin/orders/"+order.ID+"/delivery", map[string]any{}, nil))
	require.NoError(t, s.Do(ctx, http.MethodPost, "orders/"+order.ID+"/returns",
		map[string]any{"lines": []any{map[string]any{"sku": order.Lines[0].SKU, "quantity": 1}}, "reason": reason}, nil, "Idempotency-Key", uuid.NewString()))
	_, err = s.Put(ctx, variants[1].SKU, 3) // and a basket that is never bought
	require.NoError(t, err)
	requireProblem(t, s.Do(ctx, http.MethodPost, "auth/login", map[string]string{"email": account.Email, "password": "wrong " + account.Password}, nil), http.StatusUnauthorized)
	_, err = shop.AwaitMail(ctx, account.Email, "has arrived")
	require.NoError(t, err)

	words := map[string]string{"e-mail address": account.Email, "name": account.Name, "telephone number": phone, "reason": reason}
	for what, a := range map[string]shop.Address{"book": book, "unpaid": unpaid, "bought": bought} {
		for part, value := range map[string]string{"person": a.Name, "street": a.Line1, "floor": a.Line2, "town": a.City} {
			words[what+" "+part] = value
		}
	}
	exported := exportOf(ctx, t, s)
	for what, word := range words {
		require.Contains(t, exported, word, "%s is in the export", what)
	}
	for _, field := range []string{variants[0].SKU, variants[1].SKU, `"marketing"`, order.Number, `"agent"`, `"lastSeenAt"`, `"roles"`, `"mails"`} {
		require.Contains(t, exported, field)
	}
	require.NotEmpty(t, found(ctx, t, dir, account.Email), "a search that finds nothing proves nothing")

	var returns struct {
		Items []struct{ ID, OrderNumber string }
	}
	require.NoError(t, admin.Do(ctx, http.MethodGet, "admin/returns?limit=100", nil, &returns))
	for _, r := range returns.Items {
		if r.OrderNumber == order.Number {
			require.NoError(t, admin.Do(ctx, http.MethodPatch, "admin/returns/"+r.ID, map[string]string{"status": "rejected", "note": "Worn."}, nil))
		}
	}
	var request privacyRequest
	require.NoError(t, s.Do(ctx, http.MethodPost, "account/privacy/erasure", nil, &request))
	status, anybody := strings.TrimPrefix(request.Link, "/api/v1/"), shop.New()
	require.Eventually(t, func() bool {
		return anybody.Do(ctx, http.MethodGet, status, nil, &request) == nil && request.Status == "done"
	}, 2*time.Minute, 200*time.Millisecond, "%+v", request)
	kept := 0
	for _, part := range request.Parts {
		for _, what := range part.Kept {
			require.Equal(t, "ordering", part.Service)
			require.Contains(t, what.What, order.Number)
			kept++
		}
	}
	require.Equal(t, 1, kept, "the invoice")

	for what, word := range words {
		var left []string
		require.Eventually(t, func() bool { // a mail about the erasure itself may be under way
			left = slices.DeleteFunc(found(ctx, t, dir, word), func(where string) bool {
				return strings.HasPrefix(what, "bought ") && where == "table ordering.public.orders"
			})
			return len(left) == 0
		}, time.Minute, time.Second, "%s (%q) is still in %v", what, word, &left)
	}
}

// exportOf is what a customer gets who asks for everything, as JSON.
func exportOf(ctx context.Context, t *testing.T, s *shop.Shopper) string {
	t.Helper()
	var request privacyRequest
	require.NoError(t, s.Do(ctx, http.MethodPost, "account/privacy/export", nil, &request))
	var body string
	require.Eventually(t, func() bool {
		resp, text, err := s.Raw(ctx, http.MethodGet, request.Link, "", "", nil)
		body = text
		return err == nil && resp.StatusCode == http.StatusOK
	}, time.Minute, 200*time.Millisecond)
	archive, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	file, err := archive.Open("export.json")
	require.NoError(t, err)
	defer file.Close()
	text, err := io.ReadAll(file)
	require.NoError(t, err)
	var plain any // without escapes
	require.NoError(t, json.Unmarshal(text, &plain))
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	require.NoError(t, encoder.Encode(plain))
	return out.String()
}

// found are the places of the system that hold a word. The sandbox is the outside world: what was mailed is in the
// customer's mailbox.
func found(ctx context.Context, t *testing.T, dir, word string) []string {
	t.Helper()
	places := append(foundInTables(ctx, t, word), foundInState(ctx, t, word)...)
	for _, part := range []string{"log", "rabbitmq", "nats"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(dir, part), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || entry.Name() == "sandbox.log" {
				return nil //nolint:nilerr // a file of the broker's that has gone meanwhile
			}
			if text, err := os.ReadFile(path); err == nil && bytes.Contains(bytes.ToLower(text), []byte(strings.ToLower(word))) {
				places = append(places, "file "+path)
			}
			return nil
		}))
	}
	return places
}

// foundInTables looks through every row of every table of every database of the server, as text and as the bytes of a
// document. The MongoDB-compatible server keeps its documents there, too.
func foundInTables(ctx context.Context, t *testing.T, word string) (places []string) {
	t.Helper()
	if os.Getenv("TEST_POSTGRES_URL") == "" {
		t.Skip("TEST_POSTGRES_URL is not set")
	}
	address, err := url.Parse(os.Getenv("TEST_POSTGRES_URL"))
	require.NoError(t, err)
	for _, database := range column(ctx, t, *address, `select datname from pg_database where datallowconn and not datistemplate and datname !~ '^test_'`) {
		address.Path = "/" + database
		conn, err := pgx.Connect(ctx, address.String())
		require.NoError(t, err)
		for _, table := range column(ctx, t, *address, `select format('%I.%I', schemaname, tablename) from pg_tables
			where schemaname not in ('pg_catalog', 'information_schema') and schemaname !~ '^test_'`) {
			var hits int
			err := conn.QueryRow(ctx, `select count(*) from `+table+` t where strpos(lower(t::text), lower($1)) > 0 or strpos(t::text, $2) > 0`,
				word, hex.EncodeToString([]byte(word))).Scan(&hits)
			if err != nil && strings.Contains(err.Error(), "42P01") {
				continue // another test's, gone meanwhile
			}
			require.NoError(t, err, table)
			if hits > 0 {
				places = append(places, "table "+database+"."+table)
			}
		}
		require.NoError(t, conn.Close(ctx))
	}
	return places
}

func column(ctx context.Context, t *testing.T, address url.URL, query string) []string {
	t.Helper()
	conn, err := pgx.Connect(ctx, address.String())
	require.NoError(t, err)
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, query)
	require.NoError(t, err)
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return values
}

// foundInState looks through every key and value of Redis, if that is the state store; PostgreSQL has been looked through.
func foundInState(ctx context.Context, t *testing.T, word string) (places []string) {
	t.Helper()
	if cmp.Or(os.Getenv("STATE"), "redis") != "redis" || os.Getenv("PROFILE") == "embedded" {
		return nil
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", setting(t, "REDIS_HOST"))
	require.NoError(t, err)
	defer conn.Close()
	answers := bufio.NewReader(conn)
	ask := func(words ...string) any {
		fmt.Fprintf(conn, "*%d\r\n", len(words))
		for _, w := range words {
			fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(w), w)
		}
		answer, err := readRESP(answers)
		require.NoError(t, err)
		return answer
	}
	require.Equal(t, "OK", ask("AUTH", setting(t, "REDIS_PASSWORD")))
	keys, _ := ask("KEYS", "*").([]any)
	for _, key := range keys {
		name := fmt.Sprint(key)
		value := ""
		switch ask("TYPE", name) {
		case "hash":
			value = fmt.Sprint(ask("HGETALL", name))
		case "string":
			value = fmt.Sprint(ask("GET", name))
		case "stream":
			value = fmt.Sprint(ask("XRANGE", name, "-", "+"))
		}
		if strings.Contains(strings.ToLower(name+value), strings.ToLower(word)) {
			places = append(places, "state "+name)
		}
	}
	return places
}

// readRESP reads one answer of the Redis protocol, version 2.
func readRESP(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimSuffix(line, "\r\n")
	rest := line[1:]
	switch line[0] {
	case '+', ':':
		return rest, nil
	case '-':
		return nil, fmt.Errorf("redis: %s", rest)
	}
	n, err := strconv.Atoi(rest)
	if err != nil || n < 0 {
		return nil, err
	}
	if line[0] == '$' {
		text := make([]byte, n+2)
		_, err := io.ReadFull(r, text)
		return string(text[:n]), err
	}
	list := make([]any, n)
	for i := range list {
		if list[i], err = readRESP(r); err != nil {
			return nil, err
		}
	}
	return list, nil
}
