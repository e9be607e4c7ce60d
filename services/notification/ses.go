package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
)

// sesSender sends by Amazon SES, API version 2.
type sesSender struct {
	client *sesv2.Client
	from   string
}

// errRefused means that SES will never take this mail.
var errRefused = errors.New("refused by SES")

// newSES sends from the address from, by SES in region, or by the stand-in at endpoint if that is not empty. The SDK's own
// retries are off: SES has no idempotency key, so every repeat may be a second mail, and ours are counted and spaced.
func newSES(endpoint, region, keyID, key, from string) *sesSender {
	options := sesv2.Options{
		Region:      region,
		Credentials: credentials.NewStaticCredentialsProvider(keyID, key, ""),
		Retryer:     aws.NopRetryer{},
		HTTPClient:  &http.Client{Timeout: 10 * time.Second},
	}
	if endpoint != "" {
		options.BaseEndpoint = aws.String(endpoint)
	}
	return &sesSender{sesv2.New(options), from}
}

// Send hands a mail to SES and returns its id there; errRefused if there is no use in trying again. Errors do not hold
// the recipient's address, which SES likes to quote.
func (s *sesSender) Send(ctx context.Context, m mail, id string) (messageID string, err error) {
	utf8 := func(text string) *types.Content {
		return &types.Content{Data: aws.String(text), Charset: aws.String("UTF-8")}
	}
	var headers []types.MessageHeader
	if m.Unsubscribe != "" { // RFC 8058: one click of the mail program, which then posts
		headers = []types.MessageHeader{
			{Name: aws.String("List-Unsubscribe"), Value: aws.String("<" + m.Unsubscribe + ">")},
			{Name: aws.String("List-Unsubscribe-Post"), Value: aws.String("List-Unsubscribe=One-Click")},
		}
	}
	out, err := s.client.SendEmail(ctx, &sesv2.SendEmailInput{
		FromEmailAddress: aws.String(s.from),
		Destination:      &types.Destination{ToAddresses: []string{m.To}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: utf8(m.Subject),
			Body:    &types.Body{Html: utf8(m.HTML), Text: utf8(m.Text)},
			Headers: headers,
		}},
		EmailTags: []types.MessageTag{{Name: aws.String("message"), Value: aws.String(id)}},
	})
	if err != nil {
		return "", sesError(err)
	}
	return aws.ToString(out.MessageId), nil
}

func sesError(err error) error {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return errors.New("SES does not answer")
	}
	switch api.(type) {
	case *types.MessageRejected, *types.BadRequestException:
		return fmt.Errorf("%w: %s", errRefused, api.ErrorCode())
	}
	return fmt.Errorf("SES: %s", api.ErrorCode())
}
