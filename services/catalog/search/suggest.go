package search

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// Suggestions are what somebody who has begun to type may want.
type Suggestions struct {
	Bodies     [][]byte
	Queries    []string
	Categories []Category
}

const (
	askedForQueries = 50 // products whose names are looked at for what else to type
	suggested       = 5  // queries, and categories, at most
)

// Suggest finds products for the beginning of a text, with the words that their names have there, and categories.
func (x *Index) Suggest(text string, most int) (s Suggestions, err error) {
	m, err := x.find(text, nil)
	if err != nil || len(m.terms) == 0 {
		return s, err
	}
	x.mu.RLock()
	rows := m.set.Clone()
	rows.And(x.columns.alive)
	page, _ := x.page(Query{Sort: "relevance", Limit: max(askedForQueries, most)}, m, rows)
	s.Categories = x.matching(m, text)
	x.mu.RUnlock()
	if s.Bodies, err = x.bodies(page); err != nil {
		return s, err
	}
	if s.Queries, err = x.queries(m, text, s.Bodies); err != nil {
		return s, err
	}
	s.Bodies = s.Bodies[:min(len(s.Bodies), most)]
	return s, nil
}

// queries are the phrases of names from the first word that was found to the last, and one word more if that is what was
// typed already.
func (x *Index) queries(m *match, text string, bodies [][]byte) ([]string, error) {
	typed := normal(text)
	counts := map[string]int{}
	for _, body := range bodies {
		d, err := x.Read(body)
		if err != nil {
			return nil, err
		}
		words := sharedAnalyzer().split([]byte(d.Name))
		first := slices.IndexFunc(words, m.has)
		if first < 0 {
			continue
		}
		last := first
		for i := first + 1; i < len(words); i++ {
			if m.has(words[i]) {
				last = i
			}
		}
		phrase := strings.ToLower(d.Name[words[first].Start:words[last].End])
		if Fold(phrase) == typed && last+1 < len(words) {
			phrase = strings.ToLower(d.Name[words[first].Start:words[last+1].End])
		}
		if Fold(phrase) != typed {
			counts[phrase]++
		}
	}
	phrases := make([]string, 0, len(counts))
	for phrase := range counts {
		phrases = append(phrases, phrase)
	}
	slices.SortFunc(phrases, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	return phrases[:min(len(phrases), suggested)], nil
}

// matching are the categories in whose names every word was found. x.mu is held.
func (x *Index) matching(m *match, text string) (found []Category) {
	typed := sharedAnalyzer().split([]byte(text))
	for _, c := range x.categories {
		n := 0
		for _, w := range sharedAnalyzer().split([]byte(c.Name)) {
			if m.has(w) {
				n++
			}
		}
		if n > 0 && n >= len(typed) && len(found) < suggested {
			found = append(found, c)
		}
	}
	return found
}

// has reports whether the word of a text is one that was found.
func (m *marks) has(w word) bool {
	if !m.initials[w.word[0]] {
		return false
	}
	if m.terms[string(w.word)] || m.prefix != "" && bytes.HasPrefix(w.word, []byte(m.prefix)) {
		return true
	}
	return slices.ContainsFunc(sharedAnalyzer().stemsOf(w.Term), func(stem []byte) bool { return m.terms[stemMark+string(stem)] })
}

// Part is a piece of a text that was found, or one between.
type Part struct {
	Text  string `json:"text"`
	Match bool   `json:"match"`
}

const excerpt = 160 // bytes, about two lines

// Highlight divides a text into what was searched for and the rest; nil if nothing in it was. Of a long text it shows the
// surroundings of the first word that was found.
func (f Found) Highlight(text string) (parts []Part) {
	if f.marks == nil {
		return nil
	}
	long := len(text) > excerpt
	from, to, first := 0, len(text), -1
	var words []word // as far as they are shown
	for w := range sharedAnalyzer().each([]byte(text)) {
		if first >= 0 && long && w.End-from > excerpt {
			to = words[len(words)-1].End
			break
		}
		if first < 0 && f.marks.has(w) {
			first = len(words)
			// A long text begins and ends between words.
			if long && w.Start > excerpt/3 {
				from = w.Start
				for i := first - 1; i >= 0 && w.Start-words[i].Start <= excerpt/3; i-- {
					from = words[i].Start
				}
			}
		}
		words = append(words, w)
	}
	if first < 0 {
		return nil
	}
	add := func(s string, match bool) {
		if s != "" {
			parts = append(parts, Part{s, match})
		}
	}
	if from > 0 {
		add("… ", false)
	}
	at := from
	for _, w := range words[first:] {
		if f.marks.has(w) {
			add(text[at:w.Start], false)
			add(text[w.Start:w.End], true)
			at = w.End
		}
	}
	add(text[at:to], false)
	if to < len(text) {
		add(" …", false)
	}
	return parts
}
