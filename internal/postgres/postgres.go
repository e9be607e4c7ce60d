// Package postgres opens a service's own database with its schema up to date, and runs transactions in it. It knows no
// table of any service; those are in the service's migrations and store.
package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

const (
	openTimeout = 30 * time.Second
	attempts    = 3
	lockTimeout = "3s"

	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	uniqueViolation      = "23505"
)

//go:embed migrations/*.sql
var messages embed.FS

// Open connects to the database at url, waits for it at most 30 seconds, and migrates it: first the tables of outbox,
// inbox and idempotency keys, then the service's own migrations (goose files at the root of the file system, forward
// only). Replicas that start at once migrate one after the other.
func Open(ctx context.Context, url string, migrations fs.FS) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the database URL does not parse") // pgx's error would quote the password
	}
	cfg.MaxConns = max(cfg.MaxConns, 12)
	cfg.MaxConnIdleTime = 5 * time.Minute
	if _, set := cfg.ConnConfig.RuntimeParams["lock_timeout"]; !set {
		cfg.ConnConfig.RuntimeParams["lock_timeout"] = lockTimeout // who waits for longer comes again
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if err := await(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	if err := migrate(ctx, pool, migrations); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

func await(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	for {
		err := pool.Ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the database does not answer: %w", err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func migrate(ctx context.Context, pool *pgxpool.Pool, migrations fs.FS) error {
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	lock, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer lock.Close()
	const key = `hashtextextended('migrate ' || current_database() || current_schema(), 0)`
	if _, err := lock.ExecContext(ctx, `set lock_timeout = 0`); err != nil { // a migration may take its time
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := lock.ExecContext(ctx, `select pg_advisory_lock(`+key+`)`); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer func() {
		_, _ = lock.ExecContext(context.WithoutCancel(ctx), `select pg_advisory_unlock(`+key+`)`)
	}()
	shared, err := fs.Sub(messages, "migrations")
	if err != nil {
		return err
	}
	if err := up(ctx, db, "schema_version_messages", shared); err != nil {
		return err
	}
	return up(ctx, db, "schema_version", migrations)
}

func up(ctx context.Context, db *sql.DB, table string, files fs.FS) error {
	store, err := database.NewStore(database.DialectPostgres, table)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	provider, err := goose.NewProvider("", db, files, goose.WithStore(store))
	if errors.Is(err, goose.ErrNoMigrations) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// InTx runs fn in a transaction, which is committed if fn returns nil. It runs fn again, up to three times in all, when
// PostgreSQL asks for it (serialization failure, deadlock), so fn must not have effects elsewhere. What fn gets is a *Unit.
func InTx(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	var err error
	for range attempts {
		unit := &Unit{Pool: pool}
		err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			unit.Tx = tx
			if err := fn(unit); err != nil {
				return err
			}
			for unit.ended < len(unit.endings) {
				unit.ended++
				if err := unit.endings[unit.ended-1].Before(ctx, unit); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			for _, e := range unit.endings {
				e.After()
			}
			return nil
		}
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != serializationFailure && pgErr.Code != deadlockDetected {
			return err
		}
	}
	return err
}

// Unit is a transaction of InTx that others can have something done at the end of.
type Unit struct {
	pgx.Tx
	Pool    *pgxpool.Pool
	endings []Ending
	ended   int // how many of them have been done inside the transaction
}

// Ending is done around a commit: Before inside the transaction, once fn is through; After when it is committed. Before may
// begin further endings, which come after it. After must not block, and does not run if the process dies in between.
type Ending interface {
	Before(ctx context.Context, tx pgx.Tx) error
	After()
}

// Find returns the unit's ending of type E that is still to be done, which is added, made by begin, if there is none.
func Find[E Ending](u *Unit, begin func() E) E {
	for _, e := range u.endings[u.ended:] {
		if found, ok := e.(E); ok {
			return found
		}
	}
	e := begin()
	u.endings = append(u.endings, e)
	return e
}

// IsUnique reports whether err is the violation of the named unique constraint or index; any of them if it is "".
func IsUnique(err error, constraint string) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.Code == uniqueViolation && (constraint == "" || pgErr.ConstraintName == constraint)
}
