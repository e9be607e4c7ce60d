package events

import "time"

// Topics told by auth.
const (
	TopicUserRegistered        = "user-registered-v1"
	TopicVerificationRequested = "verification-requested-v1"
	TopicPasswordReset         = "password-reset-requested-v1"
	TopicEmailChangeRequested  = "email-change-requested-v1"
	TopicSecurityNoticed       = "security-noticed-v1"
)

// UserRegistered is told by auth when an account has been created. The account's e-mail address may not be verified yet.
type UserRegistered struct {
	AccountID string    `json:"accountId"`
	At        time.Time `json:"at"`
}

func (UserRegistered) Topic() string     { return TopicUserRegistered }
func (e UserRegistered) Subject() string { return e.AccountID }

// VerificationRequested is told by auth when somebody is to prove that an e-mail address is theirs. The token is not in
// it: whoever sends the mail asks auth for it at that moment.
type VerificationRequested struct {
	RequestID string `json:"requestId"`
	AccountID string `json:"accountId"`
}

func (VerificationRequested) Topic() string     { return TopicVerificationRequested }
func (e VerificationRequested) Subject() string { return e.AccountID }

// PasswordResetRequested is told by auth when somebody wants to set another password. As with VerificationRequested, the
// token is asked for when the mail is sent.
type PasswordResetRequested struct {
	RequestID string `json:"requestId"`
	AccountID string `json:"accountId"`
}

func (PasswordResetRequested) Topic() string     { return TopicPasswordReset }
func (e PasswordResetRequested) Subject() string { return e.AccountID }

// EmailChangeRequested is told by auth when somebody wants another e-mail address. Neither the address nor the token is in
// it: both are asked for when the mail is sent.
type EmailChangeRequested struct {
	RequestID string `json:"requestId"`
	AccountID string `json:"accountId"`
}

func (EmailChangeRequested) Topic() string     { return TopicEmailChangeRequested }
func (e EmailChangeRequested) Subject() string { return e.AccountID }

// SecurityNotice is what an account's owner should know of, in case it was somebody else.
type SecurityNotice string

// The notices.
const (
	NoticePasswordChanged  SecurityNotice = "password-changed"
	NoticeFactorsChanged   SecurityNotice = "factors-changed" // a second factor or passkey was added or removed
	NoticeRecoveryCodeUsed SecurityNotice = "recovery-code-used"
	NoticeNewDevice        SecurityNotice = "new-device"
	NoticeSessionStolen    SecurityNotice = "session-stolen" // a refresh token was used twice, and its session ended
	NoticeEmailChanged     SecurityNotice = "email-changed"  // told at the former address
)

// SecurityNoticed is told by auth when the owner of an account is to be told what happened to it.
type SecurityNoticed struct {
	AccountID     string         `json:"accountId"`
	Notice        SecurityNotice `json:"notice"`
	EmailChangeID string         `json:"emailChangeId,omitempty"` // of NoticeEmailChanged: whose former address is to be told
	At            time.Time      `json:"at"`
}

func (SecurityNoticed) Topic() string     { return TopicSecurityNoticed }
func (e SecurityNoticed) Subject() string { return e.AccountID }
