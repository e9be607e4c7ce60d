package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"image/png"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/postgres"
	"github.com/sidecart/sidecart/internal/problem"
)

// Time-based one-time passwords (RFC 6238) as every authenticator app does them: SHA-1, six digits, thirty seconds. The
// clocks may differ by one step.
const (
	totpStep      = 30 * time.Second
	recoveryCodes = 10
)

// authenticator is a new secret in the forms that apps take it.
type authenticator struct {
	Secret string `json:"secret"` // base32, to be typed
	URI    string `json:"uri"`    // otpauth://
	QR     string `json:"qr"`     // the URI as a picture: a data URL of a PNG
}

func newAuthenticator(email string) (authenticator, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Sidecart", AccountName: email})
	if err != nil {
		return authenticator{}, fmt.Errorf("make a secret: %w", err)
	}
	picture, err := key.Image(240, 240)
	if err != nil {
		return authenticator{}, fmt.Errorf("draw a secret: %w", err)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return authenticator{}, fmt.Errorf("draw a secret: %w", err)
	}
	return authenticator{key.Secret(), key.URL(), "data:image/png;base64," + base64.StdEncoding.EncodeToString(out.Bytes())}, nil
}

// totpStepOf is the time step that code belongs to, if it is the code of this moment or of the step before or after it.
func totpStepOf(secret, code string, now time.Time) (step int64, ok bool) {
	for _, at := range []time.Time{now, now.Add(-totpStep), now.Add(totpStep)} {
		want, err := totp.GenerateCodeCustom(secret, at, totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			return at.Unix() / int64(totpStep.Seconds()), true
		}
	}
	return 0, false
}

var recoveryAlphabet = base32.NewEncoding("abcdefghjkmnpqrstuvwxyz023456789").WithPadding(base32.NoPadding)

// newRecoveryCodes are 80 random bits each, as people can write them down: abcd-efgh-jkmn-pqrs.
func newRecoveryCodes() []string {
	codes := make([]string, recoveryCodes)
	for i := range codes {
		b := make([]byte, 10)
		_, _ = rand.Read(b) // never fails since Go 1.24
		s := recoveryAlphabet.EncodeToString(b)
		codes[i] = s[:4] + "-" + s[4:8] + "-" + s[8:12] + "-" + s[12:]
	}
	return codes
}

// recoveryHash is what a code is known by, however it was typed; nil for what is no recovery code.
func recoveryHash(code string) []byte {
	plain := strings.NewReplacer("-", "", " ", "").Replace(strings.ToLower(code))
	if len(plain) != 16 {
		return nil
	}
	return tokenHash(plain)
}

// Factors are the second factors of an account.
type Factors struct {
	TOTP          bool `json:"totp"`
	RecoveryCodes int  `json:"recoveryCodes"` // left
}

// Factors loads those that are in use.
func (s *store) Factors(ctx context.Context, accountID string) (f Factors, err error) {
	err = s.db.QueryRow(ctx, `
		select exists (select from totp where account_id = $1 and confirmed_at is not null),
		       (select count(*) from recovery_codes where account_id = $1 and used_at is null)`, accountID).Scan(&f.TOTP, &f.RecoveryCodes)
	if err != nil {
		return f, fmt.Errorf("load second factors: %w", err)
	}
	return f, nil
}

// PrepareTOTP keeps a secret until a code of it is shown. It replaces one that waits for that, but none that is in use.
func (s *store) PrepareTOTP(ctx context.Context, accountID string, sealed []byte, now time.Time) error {
	tag, err := s.db.Exec(ctx, `
		insert into totp (account_id, sealed, created_at) values ($1, $2, $3)
		on conflict (account_id) do update set sealed = excluded.sealed, created_at = excluded.created_at where totp.confirmed_at is null`,
		accountID, sealed, now)
	if err != nil {
		return fmt.Errorf("keep secret: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return problem.New(problem.Conflict, "totp-in-use", "An authenticator app is in use already. Remove it first.")
	}
	return nil
}

// ConfirmTOTP takes the secret into use if code is one of it, sets the recovery codes, and counts the session as one with
// a second factor.
func (s *store) ConfirmTOTP(ctx context.Context, accountID, sessionID, code string, open func([]byte) (string, error), codes []string, now time.Time) error {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		if _, err := takeTOTP(ctx, tx, accountID, code, false, open, now); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update totp set confirmed_at = $2 where account_id = $1`, accountID, now); err != nil {
			return fmt.Errorf("confirm secret: %w", err)
		}
		if _, err := tx.Exec(ctx, `update sessions set mfa = true where id = $1`, sessionID); err != nil {
			return fmt.Errorf("mark session: %w", err)
		}
		if err := setRecoveryCodes(ctx, tx, accountID, codes); err != nil {
			return err
		}
		return notice(ctx, tx, accountID, events.NoticeFactorsChanged, now)
	})
}

// SetRecoveryCodes replaces all of them.
func (s *store) SetRecoveryCodes(ctx context.Context, accountID string, codes []string, now time.Time) error {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		if err := setRecoveryCodes(ctx, tx, accountID, codes); err != nil {
			return err
		}
		return notice(ctx, tx, accountID, events.NoticeFactorsChanged, now)
	})
}

func setRecoveryCodes(ctx context.Context, tx pgx.Tx, accountID string, codes []string) error {
	if _, err := tx.Exec(ctx, `delete from recovery_codes where account_id = $1`, accountID); err != nil {
		return fmt.Errorf("void recovery codes: %w", err)
	}
	for _, code := range codes {
		if _, err := tx.Exec(ctx, `insert into recovery_codes (account_id, hash) values ($1, $2)`, accountID, recoveryHash(code)); err != nil {
			return fmt.Errorf("keep recovery code: %w", err)
		}
	}
	return nil
}

// RemoveTOTP takes the secret out of use, and the recovery codes with it.
func (s *store) RemoveTOTP(ctx context.Context, accountID string, now time.Time) error {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `delete from totp where account_id = $1`, accountID)
		if err != nil {
			return fmt.Errorf("remove secret: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return problem.New(problem.NotFound, "totp-not-found", "There is no authenticator app.")
		}
		if err := setRecoveryCodes(ctx, tx, accountID, nil); err != nil {
			return err
		}
		return notice(ctx, tx, accountID, events.NoticeFactorsChanged, now)
	})
}

// TakeCode accepts a code of the account's authenticator app, or one of its recovery codes, each once.
func (s *store) TakeCode(ctx context.Context, accountID, code string, open func([]byte) (string, error), now time.Time) (accepted bool, err error) {
	err = postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		if hash := recoveryHash(code); hash != nil {
			tag, err := tx.Exec(ctx, `update recovery_codes set used_at = $3 where account_id = $1 and hash = $2 and used_at is null`, accountID, hash, now)
			if err != nil {
				return fmt.Errorf("take recovery code: %w", err)
			}
			if accepted = tag.RowsAffected() == 1; accepted {
				return notice(ctx, tx, accountID, events.NoticeRecoveryCodeUsed, now)
			}
			return nil
		}
		accepted, err = takeTOTP(ctx, tx, accountID, code, true, open, now)
		if problem.Is(err, "wrong-code") || problem.Is(err, "totp-not-found") {
			return nil
		}
		return err
	})
	return accepted, err
}

// takeTOTP accepts a code that is not older than the last one that was taken.
func takeTOTP(ctx context.Context, tx pgx.Tx, accountID, code string, confirmed bool, open func([]byte) (string, error), now time.Time) (bool, error) {
	var sealed []byte
	var last int64
	err := tx.QueryRow(ctx, `
		select sealed, last_step from totp where account_id = $1 and (confirmed_at is not null) = $2 for update`, accountID, confirmed).
		Scan(&sealed, &last)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, problem.New(problem.NotFound, "totp-not-found", "There is no authenticator app to confirm.")
	}
	if err != nil {
		return false, fmt.Errorf("load secret: %w", err)
	}
	secret, err := open(sealed)
	if err != nil {
		return false, err
	}
	step, ok := totpStepOf(secret, strings.ReplaceAll(code, " ", ""), now)
	if !ok || step <= last {
		return false, wrongCode()
	}
	if _, err := tx.Exec(ctx, `update totp set last_step = $2 where account_id = $1`, accountID, step); err != nil {
		return false, fmt.Errorf("take code: %w", err)
	}
	return true, nil
}

func wrongCode() error {
	return problem.New(problem.Forbidden, "wrong-code", "This code is not right, or was used before.")
}
