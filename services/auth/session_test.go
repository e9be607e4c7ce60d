package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestJudge(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *time.Time { moment := now.Add(d); return &moment }
	fresh := Presented{ExpiresAt: now.Add(time.Hour), SessionExpires: now.Add(time.Hour)}
	for _, c := range []struct {
		name   string
		change func(*Presented)
		want   Verdict
	}{
		{"fresh", func(*Presented) {}, Accept},
		{"too old", func(p *Presented) { p.ExpiresAt = now }, Expired},
		{"session too old", func(p *Presented) { p.SessionExpires = now }, Expired},
		{"session ended", func(p *Presented) { p.SessionEnded = at(-time.Minute) }, Expired},
		{"used, answer lost", func(p *Presented) { p.UsedAt = at(-lostAnswer + 1) }, Accept},
		{"used long ago", func(p *Presented) { p.UsedAt = at(-lostAnswer) }, Stolen},
		{"used, and the next too", func(p *Presented) { p.UsedAt, p.ChildUsed = at(-1), true }, Stolen},
		{"its twin was used", func(p *Presented) { p.SiblingUsed = true }, Stolen},
		{"used after the session ended", func(p *Presented) { p.UsedAt, p.SessionEnded = at(-time.Hour), at(-time.Minute) }, Expired},
	} {
		p := fresh
		c.change(&p)
		require.Equal(t, c.want, p.Judge(now), c.name)
	}
}

// A model of a family of tokens in which a thief and the owner both hold a copy of one token: whatever they do, in
// whatever order, as soon as both have gone on beyond it the session is over.
func TestTwoPartiesNeverBothStayIn(t *testing.T) {
	type token struct {
		parent *token
		used   *time.Time
	}
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		root := &token{}
		all := []*token{root}
		var ended *time.Time
		exchange := func(k *token) *token {
			p := Presented{ExpiresAt: now.Add(time.Hour), SessionExpires: now.Add(time.Hour), UsedAt: k.used, SessionEnded: ended}
			for _, o := range all {
				p.ChildUsed = p.ChildUsed || o.parent == k && o.used != nil
				p.SiblingUsed = p.SiblingUsed || k.parent != nil && o.parent == k.parent && o != k && o.used != nil
			}
			switch p.Judge(now) {
			case Accept:
				if k.used == nil {
					moment := now
					k.used = &moment
				}
				all = append(all, &token{parent: k})
				return all[len(all)-1]
			case Stolen:
				moment := now
				ended = &moment
			}
			return nil
		}
		holds := [2]*token{root, root} // the owner's and the thief's copy
		depth := [2]int{}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now = now.Add(rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute}).Draw(t, "pause"))
			who := rapid.IntRange(0, 1).Draw(t, "who")
			if next := exchange(holds[who]); next != nil {
				holds[who] = next
				depth[who]++
			}
			if min(depth[0], depth[1]) >= 2 {
				t.Fatalf("both parties live on: %v", depth)
			}
		}
	})
}
