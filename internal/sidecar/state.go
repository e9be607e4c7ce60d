package sidecar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ErrETag means that somebody else wrote the key meanwhile: read it again and repeat the change.
var ErrETag = errors.New("the state was changed meanwhile")

// StateStore keeps short-lived JSON values under string keys. Every write names the version that it replaces.
type StateStore struct{ dapr client.Client }

// State is this service's state store.
func (c *Client) State() *StateStore { return &StateStore{c.dapr} }

// Get reads key into v and returns its version; found is false, and v untouched, if there is nothing.
func (s *StateStore) Get(ctx context.Context, key string, v any) (etag string, found bool, err error) {
	item, err := s.dapr.GetState(ctx, stateStore, key, nil)
	if err != nil {
		return "", false, fmt.Errorf("read state: %w", err)
	}
	if len(item.Value) == 0 {
		return "", false, nil
	}
	if err := json.Unmarshal(item.Value, v); err != nil {
		return "", false, fmt.Errorf("read state: %w", err)
	}
	return item.Etag, true, nil
}

// Save writes v under key if its version is still etag, "" meaning that the key must not exist; otherwise ErrETag.
// With a ttl above zero the value is gone after it; fractions of a second are cut off.
func (s *StateStore) Save(ctx context.Context, key string, v any, etag string, ttl time.Duration) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	item := &client.SetStateItem{
		Key: key, Value: body,
		// First-write without an ETag is "create only". A key once written so refuses plain writes, hence always both.
		Options: &client.StateOptions{Concurrency: client.StateConcurrencyFirstWrite, Consistency: client.StateConsistencyStrong},
	}
	if etag != "" {
		item.Etag = &client.ETag{Value: etag}
	}
	if ttl > 0 {
		item.Metadata = map[string]string{"ttlInSeconds": strconv.Itoa(int(ttl.Seconds()))}
	}
	err = stateError("save", s.dapr.SaveBulkState(ctx, stateStore, item))
	if err != nil && etag == "" && s.exists(ctx, key) {
		return ErrETag // stores tell a refused create in many ways, so look
	}
	return err
}

func (s *StateStore) exists(ctx context.Context, key string) bool {
	item, err := s.dapr.GetState(ctx, stateStore, key, nil)
	return err == nil && len(item.Value) > 0
}

// Delete removes key if its version is still etag; otherwise ErrETag.
func (s *StateStore) Delete(ctx context.Context, key, etag string) error {
	return stateError("delete", s.dapr.DeleteStateWithETag(ctx, stateStore, key, &client.ETag{Value: etag}, nil,
		&client.StateOptions{Concurrency: client.StateConcurrencyFirstWrite, Consistency: client.StateConsistencyStrong}))
}

// stateError recognises a lost race.
func stateError(verb string, err error) error {
	if err == nil {
		return nil
	}
	if status.Code(err) == codes.Aborted {
		return ErrETag
	}
	return fmt.Errorf("%s state: %w", verb, err)
}
