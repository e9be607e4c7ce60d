package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHashesVerifyAndDiffer(t *testing.T) {
	h := newHasher()
	first, err := h.Hash(t.Context(), "correct horse\x00")
	require.NoError(t, err)
	second, err := h.Hash(t.Context(), "correct horse\x00")
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.True(t, strings.HasPrefix(first, "$argon2id$v=19$m=19456,t=2,p=1$"), first)
	for password, want := range map[string]bool{"correct horse\x00": true, "correct horse": false, "": false} {
		ok, err := h.Verify(t.Context(), first, password)
		require.NoError(t, err)
		require.Equal(t, want, ok, password)
	}
}

// The hash is from the test vectors of the reference implementation (P-H-C/phc-winner-argon2, src/test.c).
func TestForeignParametersVerify(t *testing.T) {
	const encoded = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	ok, err := newHasher().Verify(t.Context(), encoded, "password")
	require.NoError(t, err)
	require.True(t, ok)
}

func TestNoAccountVerifiesNothing(t *testing.T) {
	ok, err := newHasher().Verify(t.Context(), "", "")
	require.NoError(t, err)
	require.False(t, ok)
}

func TestBrokenHashesAreErrors(t *testing.T) {
	for _, encoded := range []string{
		"x", "$argon2id$v=18$m=19456,t=2,p=1$AAAA$AAAA", "$argon2id$v=19$m=19456,t=2,p=1$AAAA", "$argon2id$v=19$m=a,t=2,p=1$AAAA$AAAA",
		"$argon2id$v=19$m=19456,t=2,p=1$!$AAAA", "$argon2i$v=19$m=19456,t=2,p=1$AAAA$AAAA", "$argon2id$v=19$m=19456,t=0,p=1$AAAA$AAAA",
		"$argon2id$v=19$m=19456,t=2,p=0$AAAA$AAAA", "$argon2id$v=19$m=4000000000,t=2,p=1$AAAA$AAAA",
	} {
		_, err := newHasher().Verify(t.Context(), encoded, "password")
		require.Error(t, err, encoded)
	}
}

func TestHashingIsBounded(t *testing.T) {
	h := newHasher()
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := h.Hash(ctx, "correct horse")
	require.ErrorIs(t, err, context.DeadlineExceeded)

	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = h.Hash(t.Context(), "correct horse") })
	}
	for range cap(h.slots) {
		<-h.slots
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Empty(t, h.slots)
}
