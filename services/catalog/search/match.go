package search

import (
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
)

// How much a word weighs by where it stands, and by how it was found there. A score is made of these alone: with
// statistics of the whole catalog in it, the places of products in a list, and so its cursors, would move whenever another
// product is added.
var fieldWeights = [fieldCount]int{inName: 12, inKind: 8, inFacts: 4, inText: 2}

const (
	asTyped   = 100
	asStem    = 90
	asSynonym = 80
	asPhrase  = 70 // joined, split, or a synonym of several words
	asPrefix  = 60
	oneEdit   = 50
	twoEdits  = 30

	maxWords           = 12 // of a query; what comes after is not looked for
	maxInterpretations = 8
)

// option is a term that will do for a word of the query.
type option struct {
	term   string
	weight int
}

// slot is a word of the query with all that will do for it.
type slot struct {
	word     word
	text     string
	optional bool // it says nothing by itself, as "the" does
	options  []option
}

// interpretation is one way to understand the query: it finds what has something of every slot.
type interpretation struct {
	slots  []*slot
	weight int // in percent
}

// match is what a query finds: rows in ascending order, with their scores.
type match struct {
	rows   []uint32
	set    *roaring.Bitmap // of the rows
	scores []int32
	*marks
	reading    *Reading // nil if the text has no words
	key        string   // of the text and the reading
	generation uint64
}

// cost is how much memory it takes, roughly.
func (m *match) cost() int { return 12*len(m.rows) + 200*len(m.terms) + len(m.key) + 200 }

// marks are the words that were found, for highlighting.
type marks struct {
	terms    map[string]bool
	prefix   string    // what else is marked: words that begin so
	initials [256]bool // with what they begin, as their stems do
}

func (m *marks) add(term string) {
	m.terms[term] = true
	if word := strings.TrimPrefix(term, stemMark); word != "" {
		m.initials[word[0]] = true
	}
}

type matcher struct {
	*snapshot
	analyzer *analyzer
	synonyms synonyms
	scratch  *scratch
	nameSize func(row uint32) int // how many words its name has
	counts   map[string]int       // of documents, by term, of those that were asked for
}

// match finds what has all words of the text, by a reading that was given before or a new one. Its last word may be
// unfinished. What finds nothing as it is typed is searched for again, as what it may have been meant to be.
func (m *matcher) match(text string, given *Reading) (*match, error) {
	words := wordsOf(text)
	if len(words) == 0 {
		return &match{marks: &marks{}}, nil
	}
	last := words[len(words)-1].word
	found := &match{marks: &marks{terms: map[string]bool{}, prefix: string(last)}, reading: given}
	found.initials[last[0]] = true
	if given != nil {
		_, _, err := m.run(found, m.understood(words, given))
		return found, err
	}
	r, err := m.read(text, words)
	if err != nil {
		return nil, err
	}
	found.reading = r
	if _, _, err := m.run(found, m.understood(words, r)); err != nil || len(found.rows) > 0 {
		return found, err
	}
	// Words that nothing has are taken for misspelt ones; if that does not help, all are.
	for _, known := range []bool{false, true} {
		corrected, err := m.correct(words, r, known)
		if err != nil {
			return nil, err
		}
		if !corrected {
			continue
		}
		best, top, err := m.run(found, m.understood(words, r))
		if err != nil {
			return nil, err
		}
		if len(found.rows) > 0 {
			r.Correction, err = m.correction(best, top)
			return found, err
		}
	}
	return found, nil
}

// correction is what the query was taken for in one way, by what one row has.
func (m *matcher) correction(r interpretation, row uint32) (string, error) {
	words := make([]string, len(r.slots))
	for i, s := range r.slots {
		words[i] = s.text
		lists, _, err := m.lists(s)
		if err != nil {
			return "", err
		}
		at := slices.IndexFunc(lists, func(l list) bool { return l.has(m.scratch.buffer, row) })
		if at >= 0 && lists[at].asFound <= oneEdit {
			words[i] = lists[at].term
		}
	}
	return strings.Join(words, " "), nil
}
