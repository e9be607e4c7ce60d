package search

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/blevesearch/vellum/levenshtein"
)

// split finds where the second of the two words begins that a word may have been made of; 0 if it was not.
func (m *matcher) split(text string) (found int, err error) {
	const least = 3
	best := 0
	for at := least; at <= len(text)-least; at++ {
		if !utf8.RuneStart(text[at]) {
			continue
		}
		left, err := m.documents(text[:at])
		if err != nil {
			return 0, err
		}
		if left == 0 {
			continue
		}
		right, err := m.documents(text[at:])
		if err != nil {
			return 0, err
		}
		if n := min(left, right); n > best {
			best, found = n, at
		}
	}
	return found, nil
}

// completions are the most frequent words that begin so.
func (m *matcher) completions(prefix string, most int) ([]string, error) {
	const read = 2000 // of each dictionary: one letter begins many words, and any of them will do
	counts := map[string]int{}
	for field := range fieldCount {
		dictionary, err := m.FieldDictPrefix(fieldNames[field], []byte(prefix))
		if err != nil {
			return nil, err
		}
		for range read {
			entry, err := dictionary.Next()
			if err != nil {
				return nil, errors.Join(err, dictionary.Close())
			}
			if entry == nil {
				break
			}
			counts[entry.Term] += int(entry.Count) * fieldWeights[field]
		}
		if err := dictionary.Close(); err != nil {
			return nil, err
		}
	}
	terms := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	living := terms[:0]
	for _, term := range terms {
		if len(living) == most {
			break
		}
		// A dictionary has the words of what is gone, too, until its segment is merged.
		n, err := m.documents(term)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			living = append(living, term)
		}
	}
	return living, nil
}

// corrections are the words that the text may have been meant to be: as near as can be, and of those the ones that say most.
func (m *matcher) corrections(text string) (terms []string, err error) {
	length := utf8.RuneCountInString(text)
	most := 2
	switch {
	case length < 3:
		return nil, nil
	case length < 5:
		most = 1
	}
	type candidate struct {
		term     string
		distance int
		first    int // 0 if it begins alike
		count    int
	}
	var candidates []candidate
	seen := map[string]bool{}
	near, err := automata()[most-1].BuildDfa(text, uint8(most))
	if err != nil {
		return nil, fmt.Errorf("look for words like %q: %w", text, err)
	}
	for i := range m.segments {
		for _, dictionary := range m.segments[i].dictionaries {
			entries := dictionary.AutomatonIterator(near, nil, nil)
			for {
				entry, err := entries.Next()
				if err != nil {
					return nil, err
				}
				if entry == nil {
					break
				}
				if seen[entry.Term] || strings.HasPrefix(entry.Term, stemMark) || utf8.RuneCountInString(entry.Term) < 3 {
					continue
				}
				seen[entry.Term] = true
				c := candidate{term: entry.Term, distance: distance(text, entry.Term)}
				if c.distance > most || c.distance == 0 {
					continue
				}
				if text[0] != entry.Term[0] {
					c.first = 1
				}
				for field, weight := range fieldWeights {
					n, err := m.count(field, entry.Term)
					if err != nil {
						return nil, err
					}
					c.count += n * weight
				}
				if c.count > 0 { // else it was only in what is gone
					candidates = append(candidates, c)
				}
			}
		}
	}
	slices.SortFunc(candidates, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.first, b.first), cmp.Compare(b.count, a.count), cmp.Compare(a.term, b.term))
	})
	for _, c := range candidates[:min(len(candidates), maxMeant)] {
		terms = append(terms, c.term)
	}
	// A word that is searched for as another one can be misspelt, too.
	for _, w := range m.synonyms.words {
		if d := distance(text, w); d > 0 && d <= most && w[0] == text[0] && !slices.Contains(terms, w) {
			terms = append(terms, w)
		}
	}
	return terms, nil
}

// automata accept what is one edit or two away from a word; a swap of neighbours is one.
var automata = sync.OnceValue(func() (builders [2]*levenshtein.LevenshteinAutomatonBuilder) {
	for i := range builders {
		builder, err := levenshtein.NewLevenshteinAutomatonBuilder(uint8(i+1), true)
		if err != nil {
			panic(err) // the distances are possible ones
		}
		builders[i] = builder
	}
	return builders
})

// distance counts the letters to insert, delete, replace or swap with their neighbour (Damerau and Levenshtein, restricted).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	before, last, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(s); i++ {
		row[0] = i
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(t)]
}

// documents is in how many fields of documents a term stands.
func (m *matcher) documents(term string) (int, error) {
	if n, asked := m.counts[term]; asked {
		return n, nil
	}
	total := 0
	for field := range fieldCount {
		n, err := m.count(field, term)
		if err != nil {
			return 0, err
		}
		total += n
	}
	m.counts[term] = total
	return total, nil
}
