package main

import (
	_ "embed"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/sidecart/sidecart/internal/identity"
	"github.com/sidecart/sidecart/internal/problem"
)

const (
	minPassword, maxPassword = 8, 128 // characters
	maxName                  = 100    // characters
	maxEmail, maxLocalPart   = 254, 64
)

// Account is somebody who can sign in once the e-mail address is verified.
type Account struct {
	ID           string
	Email        string // normalised: one account per address, however it is written
	Name         string
	PasswordHash string
	Roles        []identity.Role
	VerifiedAt   *time.Time
	SuspendedAt  *time.Time
}

// Verified reports whether the account's e-mail address has been proved.
func (a Account) Verified() bool { return a.VerifiedAt != nil }

// mayEnter refuses an owner whose account is not, or not any more, to be signed in to.
func (a Account) mayEnter() error {
	switch {
	case !a.Verified():
		return problem.New(problem.Forbidden, "email-not-verified", "Please follow the link in the mail that we sent you first.")
	case a.SuspendedAt != nil:
		return problem.New(problem.Forbidden, "account-suspended", "This account is suspended. Please write to us.")
	}
	return nil
}

// Registration is a valid wish for an account.
type Registration struct{ Email, Name, Password string }

// NewRegistration checks all three fields and refuses with every fault at once.
func NewRegistration(email, name, password string) (Registration, error) {
	var faults []problem.FieldError
	refuse := func(field, format string, args ...any) {
		faults = append(faults, problem.FieldError{Field: field, Detail: fmt.Sprintf(format, args...)})
	}
	address, ok := NormalEmail(email)
	if !ok {
		refuse("email", "is not an e-mail address")
	}
	name = norm.NFC.String(strings.TrimSpace(name))
	if n := utf8.RuneCountInString(name); n == 0 || n > maxName || strings.ContainsFunc(name, notInNames) {
		refuse("name", "must have 1 to %d letters, digits or spaces", maxName)
	}
	if fault := passwordFault(password, address); fault != "" {
		refuse("password", "%s", fault)
	}
	if faults != nil {
		return Registration{}, problem.New(problem.Invalid, "invalid-registration", "The account cannot be created like this.").WithFields(faults...)
	}
	return Registration{address, name, password}, nil
}

// notInNames keeps mark-up, links and control characters out of a text that strangers can have us mail to anybody.
func notInNames(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" .,'’-·()&", r)
}

// NormalEmail is the one spelling of an address under which an account is kept: trimmed, NFC, lower case. It accepts
// plain addresses (RFC 5322 dot-atom) under a domain with a dot; quoted local parts, comments and display names are not.
func NormalEmail(s string) (string, bool) {
	if !utf8.ValidString(s) {
		return "", false
	}
	s = norm.NFC.String(strings.ToLower(strings.TrimSpace(s)))
	local, domain, _ := strings.Cut(s, "@")
	if len(s) > maxEmail || len(local) > maxLocalPart || !strings.Contains(domain, ".") {
		return "", false
	}
	parsed, err := mail.ParseAddress(s)
	if err != nil || parsed.Address != s || strings.ContainsFunc(s, notInEmails) {
		return "", false
	}
	return s, true
}

func notInEmails(r rune) bool {
	return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune(`"<>()[]\,;:`, r)
}

//go:embed passwords.txt
var passwordList string

// commonPasswords are what attackers try first.
var commonPasswords = func() map[string]bool {
	set := make(map[string]bool)
	for line := range strings.Lines(passwordList) {
		if !strings.HasPrefix(line, "# ") {
			set[strings.TrimSuffix(line, "\n")] = true
		}
	}
	return set
}()

// passwordFault says what is wrong with a new password, or "". Any characters may be in it and none must be (ASVS
// 6.2.1-6.2.12): length and not being everybody's first guess are what protects.
func passwordFault(password, email string) string {
	n := utf8.RuneCountInString(password)
	if n < minPassword || n > maxPassword {
		return fmt.Sprintf("must have %d to %d characters", minPassword, maxPassword)
	}
	guess := strings.ToLower(password)
	local, _, _ := strings.Cut(email, "@")
	if guess == email || guess == local {
		return "must not be the e-mail address"
	}
	if commonPasswords[guess] {
		return "is one of the most used passwords; please choose another"
	}
	return ""
}
