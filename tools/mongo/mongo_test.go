package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// documentSQL is what every instance does to the database of its documents.
var documentSQL = func() string {
	sql, err := os.ReadFile("../stack/documents.sql")
	if err != nil {
		panic(err)
	}
	return string(sql)
}()

// start serves a fresh PostgreSQL database with two logins until the test ends, and returns how to connect as either.
// again stops the server and starts another on the same data, which are in database.
func start(t *testing.T) (connect func(login string) *mongo.Database, again func(), database *pgx.ConnConfig) {
	t.Helper()
	address := os.Getenv("TEST_POSTGRES_URL")
	if address == "" {
		address = "postgres://127.0.0.1:5432/postgres"
	}
	ctx := context.Background()
	admin, err := pgx.Connect(ctx, address)
	if err != nil {
		if os.Getenv("CI") != "" {
			require.NoError(t, err, "no PostgreSQL at TEST_POSTGRES_URL")
		}
		t.Skipf("no PostgreSQL to test with: %v", err)
	}
	name := fmt.Sprintf("mongo_test_%d", time.Now().UnixNano())
	statements := []string{"CREATE DATABASE " + name}
	for _, login := range []string{"testcatalog", "testclient"} {
		_, _ = admin.Exec(ctx, "CREATE ROLE "+login+" LOGIN PASSWORD '"+login+"'")
		statements = append(statements, "GRANT CONNECT, CREATE ON DATABASE "+name+" TO "+login)
	}
	for _, statement := range statements {
		_, err := admin.Exec(ctx, statement)
		require.NoError(t, err)
	}
	database = admin.Config().Copy()
	database.Database = name
	within, err := pgx.ConnectConfig(ctx, database)
	require.NoError(t, err)
	_, err = within.Exec(ctx, documentSQL)
	require.NoError(t, err)
	require.NoError(t, within.Close(ctx))
	t.Cleanup(func() {
		_, err := admin.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
		require.NoError(t, err)
		admin.Close(ctx)
	})

	listen := freeAddress(t)
	target := fmt.Sprintf("postgres://%s:%d/%s", admin.Config().Host, admin.Config().Port, name)
	t.Chdir(t.TempDir())
	dir, err := os.MkdirTemp("", "mongo")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	var stop func()
	serve := func() {
		ctx, cancel := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, listen, target, dir, slog.New(slog.DiscardHandler)) }()
		stop = func() {
			cancel()
			require.NoError(t, <-ended)
		}
		require.Eventually(t, func() bool {
			conn, err := net.Dial("tcp", listen)
			if err == nil {
				conn.Close()
			}
			return err == nil
		}, 10*time.Second, 20*time.Millisecond)
	}
	serve()
	t.Cleanup(func() { stop() })
	connect = func(login string) *mongo.Database {
		client, err := mongo.Connect(ctx, options.Client().ApplyURI(
			fmt.Sprintf("mongodb://%s:%s@%s/?authMechanism=PLAIN&directConnection=true", login, login, listen)))
		require.NoError(t, err)
		t.Cleanup(func() { _ = client.Disconnect(ctx) })
		return client.Database(login)
	}
	return connect, func() { stop(); serve() }, database
}

func freeAddress(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// A document is found without reading all of its collection, by its id and by what else has an index.
func TestDocumentsAreFoundByAnIndex(t *testing.T) {
	connect, _, database := start(t)
	ctx := t.Context()
	products := connect("testcatalog").Collection("products")
	for _, field := range []string{"slug", "variants.sku"} {
		_, err := products.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.M{field: 1}, Options: options.Index().SetUnique(true)})
		require.NoError(t, err)
	}
	for i := range 20 {
		_, err := products.InsertOne(ctx, bson.M{"_id": fmt.Sprint(i), "slug": fmt.Sprint("pot-", i), "version": 1, "variants": bson.A{bson.M{"sku": fmt.Sprint(i)}}})
		require.NoError(t, err)
	}
	result, err := products.UpdateOne(ctx, bson.M{"_id": "7", "version": 1}, bson.M{"$set": bson.M{"slug": "jug"}})
	require.NoError(t, err)
	require.EqualValues(t, 1, result.MatchedCount)
	require.NoError(t, products.FindOne(ctx, bson.M{"slug": "jug"}).Err())

	admin, err := pgx.ConnectConfig(ctx, database)
	require.NoError(t, err)
	defer admin.Close(ctx)
	var table string
	require.NoError(t, admin.QueryRow(ctx, `select distinct tablename from pg_indexes where schemaname = 'testcatalog' and tablename like 'products%'`).Scan(&table))
	_, err = admin.Exec(ctx, "set enable_seqscan = off") // which is quicker in so small a collection
	require.NoError(t, err)
	check := func() {
		for field, indexed := range map[string]bool{"_id": true, "slug": true, "version": false} {
			rows, err := admin.Query(ctx, fmt.Sprintf(`explain select _jsonb from testcatalog.%q where _jsonb->$1 @> $2`, table), field, `"x"`)
			require.NoError(t, err)
			plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
			require.Equal(t, indexed, strings.Contains(strings.Join(plan, "\n"), "Bitmap Index Scan"), "%s: %v", field, plan)
		}
	}
	check()
	// An instance of before such indexes gets them at its next start.
	rows, err := admin.Query(ctx, `select format('drop index %I.%I', schemaname, indexname) from pg_indexes where schemaname = 'testcatalog' and indexdef like '% gin %'`)
	require.NoError(t, err)
	drops, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Len(t, drops, 4, "two are of the list of collections")
	for _, drop := range append(drops, documentSQL) {
		_, err := admin.Exec(ctx, drop)
		require.NoError(t, err)
	}
	check()
}

func TestConcurrentIncrementsAreAllKept(t *testing.T) {
	connect, _, _ := start(t)
	ctx := t.Context()
	counters := connect("testcatalog").Collection("counters")
	for id := range 4 {
		_, err := counters.InsertOne(ctx, bson.M{"_id": fmt.Sprint(id), "n": 0})
		require.NoError(t, err)
	}
	add := bson.M{"$inc": bson.M{"n": 1}}
	var wait sync.WaitGroup
	failed := make(chan error, 1000)
	for i := range 200 {
		wait.Go(func() {
			_, err := counters.UpdateOne(ctx, bson.M{"_id": fmt.Sprint(i % 4)}, add)
			failed <- err
		})
		if i%10 == 0 { // each also changes as one of many, and by another command
			wait.Go(func() {
				_, err := counters.UpdateMany(ctx, bson.M{}, add)
				failed <- err
			})
			wait.Go(func() {
				failed <- counters.FindOneAndUpdate(ctx, bson.M{"_id": fmt.Sprint(i % 4)}, add).Err()
			})
		}
	}
	wait.Wait()
	close(failed)
	for err := range failed {
		require.NoError(t, err)
	}
	cursor, err := counters.Find(ctx, bson.M{})
	require.NoError(t, err)
	var all []struct{ N int }
	require.NoError(t, cursor.All(ctx, &all))
	sum := 0
	for _, counter := range all {
		sum += counter.N
	}
	require.Equal(t, 200+20*4+20, sum)
}

// An update passes beside others only if it can be of one document alone.
func TestOneDocumentIsToldFromMany(t *testing.T) {
	update := func(command string, statements ...any) message {
		body, err := bson.Marshal(bson.D{{Key: command, Value: "things"}, {Key: "$db", Value: "x"}})
		require.NoError(t, err)
		list := []byte("updates\x00")
		for _, s := range statements {
			one, err := bson.Marshal(s)
			require.NoError(t, err)
			list = append(list, one...)
		}
		frame := bytes.Repeat([]byte{0}, headerSize+4)
		frame = append(append(frame, 0), body...)
		frame = append(binary.LittleEndian.AppendUint32(append(frame, 1), uint32(4+len(list))), list...)
		binary.LittleEndian.PutUint32(frame, uint32(len(frame)))
		binary.LittleEndian.PutUint32(frame[12:], opMsg)
		m, err := readMessage(bytes.NewReader(frame))
		require.NoError(t, err)
		return m
	}
	query := func(q any, multi bool) bson.D { return bson.D{{Key: "q", Value: q}, {Key: "multi", Value: multi}} }
	seven, eight := query(bson.M{"_id": "7", "version": 1}, false), query(bson.M{"_id": "8"}, false)
	id, one := update("update", seven).document()
	require.True(t, one)
	other, one := update("update", eight).document()
	require.True(t, one)
	require.NotEqual(t, id, other)
	for name, m := range map[string]message{
		"two": update("update", seven, eight), "none": update("update"), "many": update("update", query(bson.M{"_id": "7"}, true)),
		"without id": update("update", query(bson.M{"slug": "7"}, false)), "several ids": update("update", query(bson.M{"_id": bson.M{"$in": bson.A{"7"}}}, false)),
		"another command": update("delete", seven), "no query": update("update", bson.D{}), "a number": update("update", query(bson.M{"_id": 7}, false)),
	} {
		_, one := m.document()
		require.False(t, one, name)
	}
	whole := update("update", seven)
	for end := headerSize + 4; end < len(whole.bytes); end++ {
		cut := whole
		cut.bytes = cut.bytes[:end]
		_, one := cut.document()
		require.False(t, one, "cut at %d", end)
	}
}

func TestALoginHasItsOwnDocumentsOnly(t *testing.T) {
	connect, again, _ := start(t)
	ctx := t.Context()
	for _, login := range []string{"testcatalog", "testclient"} {
		_, err := connect(login).Collection("things").InsertOne(ctx, bson.M{"_id": login})
		require.NoError(t, err)
	}
	again()
	// Both still write after a restart, whoever comes first.
	for _, login := range []string{"testcatalog", "testclient"} {
		things := connect(login).Collection("things")
		_, err := things.InsertOne(ctx, bson.M{"_id": login + "-2"})
		require.NoError(t, err)
		n, err := things.CountDocuments(ctx, bson.M{})
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
	}
	others := connect("testclient").Client().Database("testcatalog").Collection("things")
	n, err := others.CountDocuments(ctx, bson.M{})
	require.True(t, err != nil || n == 0, "testclient reads %d of testcatalog's documents", n)
	_, err = others.InsertOne(ctx, bson.M{"_id": "intruder"})
	require.Error(t, err)
}

func TestIndexesMayBeAskedForAgain(t *testing.T) {
	connect, _, _ := start(t)
	things := connect("testcatalog").Collection("things")
	for range 3 {
		_, err := things.Indexes().CreateMany(t.Context(), []mongo.IndexModel{
			{Keys: bson.D{{Key: "a", Value: 1}}, Options: options.Index().SetUnique(true)}, {Keys: bson.D{{Key: "b", Value: 1}}}, {Keys: bson.D{{Key: "c", Value: 1}}},
		})
		require.NoError(t, err)
	}
	specifications, err := things.Indexes().ListSpecifications(t.Context())
	require.NoError(t, err)
	require.Len(t, specifications, 4, "with that of _id")
	_, err = things.InsertMany(t.Context(), []any{bson.M{"a": 1}, bson.M{"a": 1}})
	require.True(t, mongo.IsDuplicateKeyError(err), "got %v", err)
}

func TestMessagesThatAreNotTheProtocolAreRefused(t *testing.T) {
	huge := make([]byte, headerSize)
	binary.LittleEndian.PutUint32(huge, maxMessageSize+1)
	for name, frame := range map[string][]byte{"short": {1, 2, 3}, "huge": huge, "negative": bytes.Repeat([]byte{0xff}, headerSize), "http": []byte("GET / HTTP/1.1\r\n\r\n")} {
		_, err := readMessage(bytes.NewReader(frame))
		require.Error(t, err, name)
	}
	_, err := readMessage(bytes.NewReader(nil))
	require.ErrorIs(t, err, io.EOF)
}
