package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

func errorBody(t *testing.T, resp *http.Response) stripeError {
	t.Helper()
	var body struct{ Error stripeError }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&body))
	return body.Error
}

// ses is the real SDK, pointed at the sandbox.
func (s *sandbox) ses(attempts int) *sesv2.Client {
	return sesv2.New(sesv2.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(s.URL), RetryMaxAttempts: attempts,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
		}),
	})
}

func simpleMail(to, subject string) *sesv2.SendEmailInput {
	return &sesv2.SendEmailInput{
		FromEmailAddress: aws.String("Sidecart <shop@sidecart.example>"),
		Destination:      &types.Destination{ToAddresses: []string{to}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: &types.Content{Data: aws.String(subject)},
			Body: &types.Body{
				Html: &types.Content{Data: aws.String(`<p>Dear <b>Ada</b>, <a href="http://shop.example/verify?token=x">verify</a></p>`)},
				Text: &types.Content{Data: aws.String("Dear Ada")},
			},
			Headers: []types.MessageHeader{{Name: aws.String("List-Unsubscribe"), Value: aws.String("<https://shop.example/u>")}},
		}},
	}
}

func (s *sandbox) sendMail(to, subject string) {
	s.t.Helper()
	_, err := s.ses(1).SendEmail(context.Background(), simpleMail(to, subject))
	require.NoError(s.t, err)
}

func (s *sandbox) mails(query string) []mail {
	s.t.Helper()
	var found []mail
	s.json(http.MethodGet, "/api/mails"+query, "", http.StatusOK, &found)
	return found
}

func TestMailsLandInTheInbox(t *testing.T) {
	s := newSandbox(t)
	out, err := s.ses(1).SendEmail(context.Background(), simpleMail("Ada Lovelace <Ada+shop@example.org>", "First — ünïcode"))
	require.NoError(t, err)
	require.NotEmpty(t, *out.MessageId)
	s.sendMail("bob@example.org", "For Bob")
	s.sendMail("ada+shop@example.org", "Second")

	for _, to := range []string{"ada%2Bshop@example.org", "ada+shop@example.org", "ADA%2BSHOP@example.org"} {
		found := s.mails("?to=" + to)
		require.Len(t, found, 2, to)
		require.Equal(t, "Second", found[0].Subject, "newest first")
		require.Equal(t, "First — ünïcode", found[1].Subject)
		require.Equal(t, "Ada+shop@example.org", found[1].To)
		require.Equal(t, "Dear Ada", found[1].Text)
		require.Contains(t, found[1].HTML, "<b>Ada</b>")
		require.Equal(t, []mailHeader{{"List-Unsubscribe", "<https://shop.example/u>"}}, found[1].Headers)
		require.False(t, found[1].SentAt.IsZero())
	}
	require.Len(t, s.mails(""), 3)
	require.Len(t, s.mails("?limit=1"), 1)
	require.Empty(t, s.mails("?to=da@example.org"))
}

func TestRawMail(t *testing.T) {
	s := newSandbox(t)
	raw := strings.ReplaceAll(`From: Sidecart <shop@sidecart.example>
To: ada@example.org
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
MIME-Version: 1.0
List-Unsubscribe-Post: List-Unsubscribe=One-Click
Content-Type: multipart/alternative; boundary="b"

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe
--b
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PHA+R3LDvMOfZTwvcD4=
--b--
`, "\n", "\r\n")
	_, err := s.ses(1).SendEmail(context.Background(), &sesv2.SendEmailInput{Content: &types.EmailContent{Raw: &types.RawMessage{Data: []byte(raw)}}})
	require.NoError(t, err)
	found := s.mails("?to=ada@example.org")
	require.Len(t, found, 1)
	require.Equal(t, []string{"Grüße", "Grüße", "<p>Grüße</p>"}, []string{found[0].Subject, found[0].Text, found[0].HTML})

	_, err = s.ses(1).SendEmail(context.Background(), &sesv2.SendEmailInput{Content: &types.EmailContent{Raw: &types.RawMessage{Data: []byte("no mail")}}})
	var bad *types.BadRequestException
	require.ErrorAs(t, err, &bad)
}

func TestSESRefusesGarbage(t *testing.T) {
	s := newSandbox(t)
	for name, spoil := range map[string]func(*sesv2.SendEmailInput){
		"no recipient":  func(in *sesv2.SendEmailInput) { in.Destination = nil },
		"bad recipient": func(in *sesv2.SendEmailInput) { in.Destination.ToAddresses = []string{"nobody"} },
		"too many":      func(in *sesv2.SendEmailInput) { in.Destination.CcAddresses = make([]string, 50) },
		"bad sender":    func(in *sesv2.SendEmailInput) { in.FromEmailAddress = aws.String("<script>") },
		"no sender":     func(in *sesv2.SendEmailInput) { in.FromEmailAddress = nil },
		"no body":       func(in *sesv2.SendEmailInput) { in.Content.Simple.Body = &types.Body{} },
		"two forms":     func(in *sesv2.SendEmailInput) { in.Content.Raw = &types.RawMessage{Data: []byte("x")} },
		"template": func(in *sesv2.SendEmailInput) {
			in.Content = &types.EmailContent{Template: &types.Template{TemplateName: aws.String("x")}}
		},
		"header smuggled": func(in *sesv2.SendEmailInput) {
			in.Content.Simple.Headers[0].Value = aws.String("x\r\nBcc: eve@example.org")
		},
		"subject of two": func(in *sesv2.SendEmailInput) {
			in.Content.Simple.Subject.Data = aws.String("x\r\nBcc: eve@example.org")
		},
	} {
		in := simpleMail("ada@example.org", "Hello")
		spoil(in)
		_, err := s.ses(1).SendEmail(context.Background(), in)
		var bad *types.BadRequestException
		require.True(t, errors.As(err, &bad), "%s: %v", name, err)
		require.NotEmpty(t, bad.ErrorMessage(), name)
	}
	require.Empty(t, s.mails(""))

	for auth, kind := range map[string]string{"": "MissingAuthenticationTokenException", "Bearer x": "IncompleteSignatureException"} {
		req, err := http.NewRequest(http.MethodPost, s.URL+"/v2/email/outbound-emails", strings.NewReader("{}"))
		require.NoError(t, err)
		req.Header.Set("Authorization", auth)
		resp, err := s.Client().Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusForbidden, resp.StatusCode)
		require.Equal(t, kind, resp.Header.Get("X-Amzn-ErrorType"))
	}
	_, err := s.ses(1).GetAccount(context.Background(), &sesv2.GetAccountInput{})
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, "NotFoundException", api.ErrorCode())
}

func TestSESFaults(t *testing.T) {
	s := newSandbox(t)
	send := func(attempts int) error {
		_, err := s.ses(attempts).SendEmail(context.Background(), simpleMail("ada@example.org", "Hello"))
		return err
	}
	s.faults(`{"operation":"ses.send","mode":"fail","status":429,"count":1},{"operation":"ses.send","mode":"fail","status":400,"count":1},
		{"operation":"ses.send","mode":"fail","status":400,"code":"SendingPausedException","count":1}`)
	var throttled *types.TooManyRequestsException
	require.ErrorAs(t, send(1), &throttled)
	var rejected *types.MessageRejected
	require.ErrorAs(t, send(1), &rejected)
	var paused *types.SendingPausedException
	require.ErrorAs(t, send(1), &paused)
	require.Empty(t, s.mails(""))

	s.faults(`{"operation":"ses.send","mode":"twice","count":1}`)
	require.NoError(t, send(3))
	require.Len(t, s.mails(""), 2, "SES has no idempotency: the repeated request is a second mail")
}
