package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/singleflight"
)

const (
	// answersFor is how long what was answered to one visitor is good for the next. A change in the shop is seen within
	// three seconds: one until catalog has read it, this one, and publicFor in the browser.
	answersFor  = time.Second
	answersKept = 256
	largestKept = 128 << 10 // bytes; so all of them are 32 MB at most
)

// publicAnswer is one that is the same for everybody.
type publicAnswer struct {
	*resource
	whole bool // nothing is missing for the moment
}

func newPublicAnswer(body []byte, whole bool) *publicAnswer {
	return &publicAnswer{newResource("application/json", body, gzip.BestSpeed), whole}
}

// answers are those to public reads of the last moment, by what was asked for. Visitors who ask for the same at the same time
// wait for one answer. Nothing that depends on who asks is ever among them.
type answers struct {
	keep   time.Duration
	kept   *lru.Cache[string, keptAnswer]
	asking singleflight.Group
}

type keptAnswer struct {
	*publicAnswer
	until time.Time
}

func newAnswers(keep time.Duration) *answers {
	kept, err := lru.New[string, keptAnswer](answersKept)
	if err != nil {
		panic(err) // the size is positive
	}
	return &answers{keep: keep, kept: kept}
}

// get is the answer to r at the target, which ask gets if none is at hand. What is refused is not kept.
func (a *answers) get(r *http.Request, to target, ask func(r *http.Request) (*publicAnswer, error)) (*publicAnswer, error) {
	key := to.app + to.path + "?" + normalised(r.URL)
	if kept, ok := a.kept.Get(key); ok && time.Now().Before(kept.until) {
		return kept.publicAnswer, nil
	}
	found, err, _ := a.asking.Do(key, func() (any, error) {
		// It is asked for all who wait, so it goes on if the first of them leaves, and says nothing of him.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), answerWithin)
		defer cancel()
		asked := r.Clone(ctx)
		asked.Header, asked.Body = http.Header{}, http.NoBody
		found, err := ask(asked)
		if err == nil && len(found.body) <= largestKept {
			a.kept.Add(key, keptAnswer{found, time.Now().Add(a.keep)})
		}
		return found, err
	})
	if err != nil {
		return nil, err
	}
	return found.(*publicAnswer), nil
}

// normalised is the query in one order. What is no query is as it is.
func normalised(u *url.URL) string {
	if !strings.Contains(u.RawQuery, "&") {
		return u.RawQuery
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return u.RawQuery
	}
	return values.Encode()
}

// publish answers with what anybody may cache for a moment, or with 304 to those that have it. What lacks something for the
// moment is not kept.
func (a *publicAnswer) publish(w http.ResponseWriter, r *http.Request) {
	policy := "no-cache"
	if a.whole {
		policy = publicFor
	}
	w.Header().Set("Cache-Control", policy)
	a.serve(w, r, http.StatusOK)
}
