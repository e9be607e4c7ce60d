package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/sidecart/sidecart/events"
	"github.com/sidecart/sidecart/internal/outbox"
)

const (
	verificationLife = 24 * time.Hour   // of a mail that proves an address, the first one or another
	resetLife        = 30 * time.Minute // nobody waits longer for the link, and a late one only frightens
	noticeLife       = 3 * 24 * time.Hour
)

// accountSubscriptions is what we hear about accounts.
func accountSubscriptions() []outbox.Subscription {
	return []outbox.Subscription{
		{Producer: "auth", Topic: events.TopicVerificationRequested, Apply: hear(verificationRequested)},
		{Producer: "auth", Topic: events.TopicPasswordReset, Apply: hear(passwordResetRequested)},
		{Producer: "auth", Topic: events.TopicEmailChangeRequested, Apply: hear(emailChangeRequested)},
		{Producer: "auth", Topic: events.TopicSecurityNoticed, Apply: hear(securityNoticed)},
	}
}

func verificationRequested(f events.VerificationRequested) (Message, error) {
	return Message{Template: "verify-email", Recipient: f.AccountID, About: f.RequestID}, nil
}

func passwordResetRequested(f events.PasswordResetRequested) (Message, error) {
	return Message{Template: "reset-password", Recipient: f.AccountID, About: f.RequestID}, nil
}

func emailChangeRequested(f events.EmailChangeRequested) (Message, error) {
	return Message{Template: "change-email", Recipient: f.AccountID, About: f.RequestID}, nil
}

// securityNoticed writes no mail about what it has no words for yet: a vague alarm would do more harm than none.
func securityNoticed(f events.SecurityNoticed) (Message, error) {
	if _, known := notices[string(f.Notice)]; !known {
		return Message{}, fmt.Errorf("%w: notice %q", events.ErrMalformed, f.Notice)
	}
	m := Message{Template: "security-notice", Recipient: f.AccountID, About: string(f.Notice)}
	if f.Notice == events.NoticeEmailChanged {
		return part(m, f.EmailChangeID)
	}
	return m, nil
}

// tokenMail is who is to prove something, by which token. It exists only in memory and in the mail.
type tokenMail struct {
	Email string `json:"email"`
	Name  string `json:"name"`
	Token string `json:"token"`
}

// verification has auth make a token for a request.
func (o owners) verification(ctx context.Context, requestID string) (v tokenMail, err error) {
	err = o.call(ctx, "auth", http.MethodPost, "/verification-mails/"+url.PathEscape(requestID), nil, &v)
	return v, gone(err)
}

// passwordReset has auth make a token for a request.
func (o owners) passwordReset(ctx context.Context, requestID string) (v tokenMail, err error) {
	err = o.call(ctx, "auth", http.MethodPost, "/password-reset-mails/"+url.PathEscape(requestID), nil, &v)
	return v, gone(err)
}

// emailChange has auth make a token for a request.
func (o owners) emailChange(ctx context.Context, requestID string) (v tokenMail, err error) {
	err = o.call(ctx, "auth", http.MethodPost, "/email-change-mails/"+url.PathEscape(requestID), nil, &v)
	return v, gone(err)
}

// former is somebody's address before a change of it, and their name.
func (o owners) former(ctx context.Context, emailChangeID string) (a account, err error) {
	err = o.call(ctx, "auth", http.MethodGet, "/former-addresses/"+url.PathEscape(emailChangeID), nil, &a)
	return a, gone(err)
}

// account is somebody's address and name.
func (o owners) account(ctx context.Context, id string) (a account, err error) {
	err = o.call(ctx, "auth", http.MethodGet, "/accounts/"+url.PathEscape(id), nil, &a)
	return a, gone(err)
}

type account struct {
	Email string `json:"email"`
	Name  string `json:"name"`
}

// writeAboutAccount writes m if it is about an account; mine is false if it is not.
func (w *writer) writeAboutAccount(ctx context.Context, m Message) (written mail, mine bool, err error) {
	switch m.Template {
	case "verify-email":
		v, err := w.owners.verification(ctx, m.About)
		if err != nil {
			return mail{}, true, err
		}
		written, err = verificationMail(w.shop, v)
		return written, true, err
	case "reset-password":
		v, err := w.owners.passwordReset(ctx, m.About)
		if err != nil {
			return mail{}, true, err
		}
		written, err = resetMail(w.shop, v)
		return written, true, err
	case "change-email":
		v, err := w.owners.emailChange(ctx, m.About)
		if err != nil {
			return mail{}, true, err
		}
		written, err = emailChangeMail(w.shop, v)
		return written, true, err
	case "security-notice":
		a, err := w.noticed(ctx, m)
		if err != nil {
			return mail{}, true, err
		}
		written, err = noticeMail(w.shop, a, m.About, m.CreatedAt)
		return written, true, err
	}
	return mail{}, false, nil
}

// noticed is who is to be told of a notice: the owner, and of another address where the owner was before.
func (w *writer) noticed(ctx context.Context, m Message) (account, error) {
	if m.About == string(events.NoticeEmailChanged) {
		return w.owners.former(ctx, m.Detail)
	}
	return w.owners.account(ctx, m.Recipient)
}

// verificationMail asks somebody to prove that an address is theirs.
func verificationMail(shop *url.URL, v tokenMail) (mail, error) {
	return render("verify-email", shop, v.Email, page{
		Subject: "Confirm your e-mail", Title: "Confirm your e-mail", Preview: "One click, and your account is ready.", Name: v.Name,
		Link: tokenLink(shop, "verify-email", v.Token), LinkText: "Confirm my e-mail",
	})
}

// resetMail lets the owner of an address set another password.
func resetMail(shop *url.URL, v tokenMail) (mail, error) {
	return render("reset-password", shop, v.Email, page{
		Subject: "Set a new password", Title: "Set a new password", Preview: "The link works for half an hour.", Name: v.Name,
		Link: tokenLink(shop, "reset-password", v.Token), LinkText: "Set a new password",
	})
}

// emailChangeMail asks the owner of an account to prove that another address is theirs, too.
func emailChangeMail(shop *url.URL, v tokenMail) (mail, error) {
	return render("change-email", shop, v.Email, page{
		Subject: "Confirm your new e-mail address", Title: "Confirm your new address", Preview: "One click, and your account moves to this address.", Name: v.Name,
		Link: tokenLink(shop, "confirm-email", v.Token), LinkText: "Confirm this address",
	})
}

func tokenLink(shop *url.URL, page, token string) string {
	link := shop.JoinPath(page)
	link.RawQuery = url.Values{"token": {token}}.Encode()
	return link.String()
}

// notices say what happened to an account, by events.SecurityNotice.
var notices = map[string]closing{
	string(events.NoticePasswordChanged): {
		Subject: "Your password was changed", Title: "Your password was changed",
		Reason: "The password of your account was changed, and every device was signed out.",
	},
	string(events.NoticeFactorsChanged): {
		Subject: "The ways to sign in to your account were changed", Title: "The ways to sign in were changed",
		Reason: "An authenticator app, a passkey or the recovery codes of your account were added or removed.",
	},
	string(events.NoticeRecoveryCodeUsed): {
		Subject: "A recovery code was used", Title: "A recovery code was used",
		Reason: "Somebody signed in to your account with one of its recovery codes in place of the authenticator app. That code works no more.",
	},
	string(events.NoticeNewDevice): {
		Subject: "A new device signed in", Title: "A new device signed in",
		Reason: "Somebody signed in to your account with a browser that we have not seen there before.",
	},
	string(events.NoticeSessionStolen): {
		Subject: "We signed one of your devices out", Title: "We signed one of your devices out",
		Reason: "A copy of the cookies that keep one of your devices signed in was used somewhere else. We signed both out, so that whoever has the copy is out too.",
	},
	string(events.NoticeEmailChanged): {
		Subject: "The e-mail address of your account was changed", Title: "Your e-mail address was changed",
		Reason: "Your account has another e-mail address now, and every device was signed out. This address does not lead to it any more.",
		Next:   "If it was not, please write to us at once: from this address nothing can be undone.",
	},
}

// noticeMail tells the owner of an account what happened to it, in case it was somebody else.
func noticeMail(shop *url.URL, a account, notice string, at time.Time) (mail, error) {
	words, ok := notices[notice]
	if !ok {
		return mail{}, fmt.Errorf("there is no notice %q", notice)
	}
	if words.Next == "" {
		words.Next = "If it was not, please set a new password at once and look at the devices that are signed in."
	}
	return render("security-notice", shop, a.Email, page{
		Subject: words.Subject, Title: words.Title, Preview: words.Reason, Name: a.Name, Closing: words, At: at,
		Link: shop.JoinPath("account", "devices").String(), LinkText: "Look at my devices",
	})
}
