package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/problem"
)

func TestAResetTokenIsInTheMailAlone(tt *testing.T) {
	d := newDesk(tt)
	d.answer = func(app, path string) (any, error) {
		require.Equal(tt, "auth POST /password-reset-mails/request-1", app+" "+path)
		return tokenMail{"anna@example.com", "Anna", "secret-token"}, nil
	}
	require.NoError(tt, d.hear("event-1", events.PasswordResetRequested{RequestID: "request-1", AccountID: "account-1"}))
	m := d.messages()[0]
	require.WithinDuration(tt, m.CreatedAt.Add(30*time.Minute), m.ExpiresAt, time.Minute)
	d.start()
	d.await(Sent)
	require.Contains(tt, d.ses.mails()[0].Content.Simple.Body.Text.Data, "https://shop.example/reset-password?token=secret-token")
	var rows string
	require.NoError(tt, d.pool.QueryRow(tt.Context(), `select string_agg(m::text, ' ') from messages m`).Scan(&rows))
	for _, personal := range []string{"secret-token", "anna", "Anna"} {
		require.NotContains(tt, rows, personal)
	}
}

func TestTheOwnerIsTold(tt *testing.T) {
	d := newDesk(tt)
	d.answer = func(app, path string) (any, error) {
		if app+" "+path != "auth GET /accounts/account-1" {
			return nil, problem.New(problem.NotFound, "no-such-route", "")
		}
		return account{"anna@example.com", "Anna"}, nil
	}
	d.start()
	for range 3 {
		require.NoError(tt, d.hear("event-1", events.SecurityNoticed{AccountID: "account-1", Notice: events.NoticePasswordChanged, At: time.Now()}))
	}
	d.await(Sent)
	require.Equal(tt, "Your password was changed", d.ses.mails()[0].Content.Simple.Subject.Data)
}

func TestNoMailAboutNothing(tt *testing.T) {
	d := newDesk(tt)
	for name, fact := range map[string]events.Fact{
		"a notice of tomorrow": events.SecurityNoticed{AccountID: "account-1", Notice: "of-tomorrow"},
		"nobody's":             events.SecurityNoticed{Notice: events.NoticePasswordChanged},
		"no request":           events.PasswordResetRequested{AccountID: "account-1"},
	} {
		require.ErrorIs(tt, d.hear("event-"+strings.ReplaceAll(name, " ", "-"), fact), events.ErrMalformed, name)
	}
	require.Empty(tt, d.messages())
}

func TestMailsOfAPersonAreExportedAndErased(tt *testing.T) {
	d := newDesk(tt)
	require.NoError(tt, d.hear("event-1", events.PasswordResetRequested{RequestID: "request-1", AccountID: "account-1"}))
	require.NoError(tt, d.hear("event-2", events.PasswordResetRequested{RequestID: "request-2", AccountID: "account-2"}))
	data, err := d.writer.store.Export(tt.Context(), "account-1")
	require.NoError(tt, err)
	text, err := json.Marshal(data)
	require.NoError(tt, err)
	require.Equal(tt, 1, strings.Count(string(text), "reset-password"))
	for range 2 {
		kept, err := d.writer.store.Erase(tt.Context(), "account-1")
		require.NoError(tt, err)
		require.Empty(tt, kept)
	}
	require.Len(tt, d.messages(), 1)
	require.Equal(tt, "account-2", d.messages()[0].Recipient)
}

func TestAnotherAddressIsProvedThereAndToldAtTheFormer(tt *testing.T) {
	d := newDesk(tt)
	d.answer = func(app, path string) (any, error) {
		switch app + " " + path {
		case "auth POST /email-change-mails/change-1":
			return tokenMail{"anna@new.example", "Anna", "secret-token"}, nil
		case "auth GET /former-addresses/change-1":
			return account{"anna@example.com", "Anna"}, nil
		}
		return nil, problem.New(problem.NotFound, "no-such-route", "")
	}
	d.start()
	require.NoError(tt, d.hear("event-1", events.EmailChangeRequested{RequestID: "change-1", AccountID: "account-1"}))
	d.await(Sent)
	asked := d.ses.mails()[0]
	require.Equal(tt, []string{"anna@new.example"}, asked.Destination.ToAddresses)
	require.Contains(tt, asked.Content.Simple.Body.Text.Data, "https://shop.example/confirm-email?token=secret-token")

	changed := events.SecurityNoticed{AccountID: "account-1", Notice: events.NoticeEmailChanged, EmailChangeID: "change-1", At: time.Now()}
	require.NoError(tt, d.hear("event-2", changed))
	require.Eventually(tt, func() bool { return len(d.ses.mails()) == 2 }, 30*time.Second, 20*time.Millisecond)
	told := d.ses.mails()[1]
	require.Equal(tt, []string{"anna@example.com"}, told.Destination.ToAddresses)
	require.Equal(tt, "The e-mail address of your account was changed", told.Content.Simple.Subject.Data)

	changed.EmailChangeID = ""
	require.ErrorIs(tt, d.hear("event-3", changed), events.ErrMalformed)
}
