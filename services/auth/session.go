package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"
)

const (
	accessTTL  = 5 * time.Minute     // also how long a new role may go unnoticed elsewhere
	idleTTL    = 14 * 24 * time.Hour // a session not refreshed for so long is over
	sessionTTL = 90 * 24 * time.Hour // …and one that old, however busy
	lostAnswer = 10 * time.Second    // how long a used refresh token still answers, in case the answer got lost
	mailTTL    = 24 * time.Hour      // how long a mailed verification token holds
	requestTTL = 7 * 24 * time.Hour  // how late a verification mail may still go out
	maxMails   = 5                   // verification mails an account can be made to receive a day
)

// newToken is 256 random bits for somebody to keep, and the hash of it for us to keep.
func newToken() (token string, hash []byte) {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails since Go 1.24
	token = base64.RawURLEncoding.EncodeToString(b)
	return token, tokenHash(token)
}

// tokenHash needs no salt and no slowness: what it hashes is random.
func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// Presented is a refresh token that somebody shows us, with what is known of its family: the tokens of one session, each
// exchanged for the next.
type Presented struct {
	ExpiresAt      time.Time
	UsedAt         *time.Time // when it was first exchanged
	SessionExpires time.Time
	SessionEnded   *time.Time
	ChildUsed      bool // the token it was exchanged for has itself been exchanged
	SiblingUsed    bool // another token made from the same parent has been exchanged
}

// Verdict is what becomes of a presented refresh token.
type Verdict int

// The verdicts: Accept exchanges the token, Expired refuses it, Stolen refuses it and ends the whole family.
const (
	Expired Verdict = iota
	Accept
	Stolen
)

// Judge decides. A token works once, as RFC 9700 section 4.14.2 asks; a second use means that two parties hold it, and
// since we cannot tell which is the thief, the session ends for both. One case is let through: a token shown again within
// ten seconds while nobody has used what it was exchanged for, because then the answer was most likely lost. The thief
// who slips through there is found out as soon as both of the twins are used.
func (p Presented) Judge(now time.Time) Verdict {
	if p.SessionEnded != nil || !now.Before(p.SessionExpires) || !now.Before(p.ExpiresAt) {
		return Expired
	}
	if p.UsedAt == nil {
		if p.SiblingUsed {
			return Stolen
		}
		return Accept
	}
	if !p.ChildUsed && now.Sub(*p.UsedAt) < lostAnswer {
		return Accept
	}
	return Stolen
}
