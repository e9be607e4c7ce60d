package search

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// Reading is how the words of a query were understood, as far as that was decided by what the shop had at the time. The
// pages of a list all have the reading of the first, so that no word that comes into the shop or leaves it moves them.
type Reading struct {
	Of         uint64        `json:"o"` // the hash of what was typed
	Endings    []string      `json:"e,omitempty"`
	Words      []WordReading `json:"w"`
	Correction string        `json:"c,omitempty"` // what was searched for instead of the words
}

// WordReading is how one word was understood.
type WordReading struct {
	Joined bool     `json:"j,omitempty"` // it may be one word with the next
	Split  int      `json:"s,omitempty"` // it may be two words, of which the second begins here
	Meant  []string `json:"m,omitempty"` // what it may have been meant to be
	Whole  []string `json:"w,omitempty"` // the same for it and the next as one word
}

// A reading travels in cursors, so it has to be short: so many words for one that was typed, and so many bytes of them.
const (
	maxEndings  = 40
	endingBytes = 300
	maxMeant    = 8
	meantBytes  = 800 // of all words together
	wholeBytes  = 400
)

// atMost are the first of the terms, but no more bytes than that unless the first has.
func atMost(terms []string, most, bytes int) []string {
	for i, term := range terms {
		if bytes -= len(term); i == most || i > 0 && bytes < 0 {
			return terms[:i]
		}
	}
	return terms
}

// normal is the same for texts that are searched for alike.
func normal(text string) string { return strings.Join(strings.Fields(Fold(text)), " ") }

// wordsOf are the words of a query, with their stems.
func wordsOf(text string) []word {
	words := sharedAnalyzer().words([]byte(text))
	return words[:min(len(words), maxWords)]
}

// Fits reports whether the reading is one of the text, as far as that can be told. Without words there is none.
func (r *Reading) Fits(text string) bool {
	words := wordsOf(text)
	if r == nil {
		return len(words) == 0
	}
	if len(words) == 0 || len(r.Words) != len(words) || r.Of != hash(normal(text)) || slices.Contains(r.Endings, "") {
		return false
	}
	for i, w := range r.Words {
		typed := words[i].word
		if w.Split != 0 && (w.Split < 0 || w.Split >= len(typed) || !utf8.RuneStart(typed[w.Split])) ||
			i == len(words)-1 && (w.Joined || len(w.Whole) > 0) || slices.Contains(w.Meant, "") || slices.Contains(w.Whole, "") {
			return false
		}
	}
	return true
}

// key tells readings apart; that of none is another one, too.
func (r *Reading) key() string {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings and numbers
	}
	return string(b) + "\x00"
}

// read understands words as they were typed.
func (m *matcher) read(text string, words []word) (*Reading, error) {
	r := &Reading{Of: hash(normal(text)), Words: make([]WordReading, len(words))}
	last := string(words[len(words)-1].word)
	completions, err := m.completions(last, maxEndings+1)
	if err != nil {
		return nil, err
	}
	for _, term := range completions {
		if term != last {
			r.Endings = append(r.Endings, term[len(last):])
		}
	}
	r.Endings = atMost(r.Endings, maxEndings, endingBytes)
	slots := m.slots(words, r)
	for i, s := range slots {
		if i+1 < len(slots) {
			n, err := m.documents(s.text + slots[i+1].text)
			if err != nil {
				return nil, err
			}
			r.Words[i].Joined = n > 0
		}
		known, err := m.known(s)
		if err != nil {
			return nil, err
		}
		if !known {
			if r.Words[i].Split, err = m.split(s.text); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// correct takes words that nothing has for misspelt ones, or else those that something has. It reports whether there is
// anything that they may have been meant to be.
func (m *matcher) correct(words []word, r *Reading, known bool) (corrected bool, err error) {
	slots := m.slots(words, r)
	is := make([]bool, len(slots))
	for i, s := range slots {
		if is[i], err = m.known(s); err != nil {
			return false, err
		}
	}
	for i, s := range slots {
		w := &r.Words[i]
		if is[i] == known && !s.optional && w.Meant == nil {
			meant, err := m.corrections(s.text)
			if err != nil {
				return false, err
			}
			w.Meant = atMost(meant, len(meant), meantBytes/len(words))
			corrected = corrected || len(meant) > 0
		}
	}
	like := func(i int) bool { // a word of its own, with one edit at most
		return is[i] || slices.ContainsFunc(r.Words[i].Meant, func(term string) bool { return distance(slots[i].text, term) == 1 })
	}
	for i := range slots {
		w := &r.Words[i]
		w.Whole = nil
		if !known && i+1 < len(slots) && (!is[i] || !is[i+1]) { // a word was torn apart and misspelt besides
			text := slots[i].text + slots[i+1].text
			whole, err := m.corrections(text)
			if err != nil {
				return false, err
			}
			if like(i) && like(i+1) { // or rather it was not: nobody means "tabmug" by "reb mug"
				whole = slices.DeleteFunc(whole, func(term string) bool { return term[0] != text[0] && distance(text, term) > 1 })
			}
			w.Whole = atMost(whole, len(whole), wholeBytes/len(words))
			corrected = corrected || len(whole) > 0
		}
	}
	return corrected, nil
}

// slots are the words, each with all that will do for it by the reading.
func (m *matcher) slots(words []word, r *Reading) []*slot {
	slots := make([]*slot, 0, len(words))
	said := slices.ContainsFunc(words, func(w word) bool { return !m.analyzer.stops[string(w.word)] })
	for i, w := range words {
		s := m.spelt(string(w.word), w.stems)
		s.word = w
		for _, phrase := range m.synonyms.of(w) {
			if len(phrase) == 1 {
				s.options = append(s.options, option{phrase[0], asSynonym})
				for _, w := range m.analyzer.words([]byte(phrase[0])) {
					for _, stem := range w.stems {
						s.options = append(s.options, option{stemMark + string(stem), asSynonym})
					}
				}
			}
		}
		if i == len(words)-1 {
			for _, ending := range r.Endings {
				s.options = append(s.options, option{s.text + ending, asPrefix})
			}
		} else {
			s.optional = said && m.analyzer.stops[s.text]
		}
		for _, o := range m.meant(s.text, r.Words[i].Meant) {
			if !slices.ContainsFunc(s.options, func(have option) bool { return have.term == o.term }) {
				s.options = append(s.options, o)
			}
		}
		slots = append(slots, s)
	}
	return slots
}

// spelt is a slot for a word as it is written.
func (m *matcher) spelt(text string, stems [][]byte) *slot {
	s := &slot{text: text, options: []option{{text, asTyped}}}
	for _, stem := range stems {
		s.options = append(s.options, option{stemMark + string(stem), asStem})
	}
	return s
}

// meant weighs what a word may have been meant to be, with what that is searched for as.
func (m *matcher) meant(text string, terms []string) (options []option) {
	for _, term := range terms {
		weight := twoEdits
		if distance(text, term) <= 1 {
			weight = oneEdit
		}
		if term[0] != text[0] {
			weight -= 10 // people rarely mistype the first letter
		}
		options = append(options, option{term, weight})
		for _, phrase := range m.synonyms.phrases[term] {
			if len(phrase) == 1 {
				options = append(options, option{phrase[0], weight})
			}
		}
	}
	return options
}

// known reports whether something has the slot.
func (m *matcher) known(s *slot) (bool, error) {
	for _, o := range s.options {
		if n, err := m.documents(o.term); err != nil || n > 0 {
			return n > 0, err
		}
	}
	return false, nil
}

// understood are the ways to understand the words by the reading: one by one; with two words that belong together as one;
// with one that is two; with phrases for a word.
func (m *matcher) understood(words []word, r *Reading) []interpretation {
	slots := m.slots(words, r)
	ways := []interpretation{{slots, 100}}
	add := func(first int, instead []*slot, next int) {
		ways = append(ways, interpretation{slices.Concat(slots[:first], instead, slots[next:]), asPhrase})
	}
	for i, s := range slots {
		if r.Words[i].Joined {
			add(i, m.phrase(s.text+slots[i+1].text), i+2)
		}
		for _, phrase := range m.synonyms.of(s.word) {
			if len(phrase) > 1 {
				add(i, m.phrase(phrase...), i+1)
			}
		}
		if at := r.Words[i].Split; at > 0 {
			add(i, m.phrase(s.text[:at], s.text[at:]), i+1)
		}
	}
	ways = ways[:min(len(ways), maxInterpretations)]
	for i, w := range r.Words {
		if len(w.Whole) > 0 {
			text := slots[i].text + slots[i+1].text
			add(i, []*slot{{text: text, options: m.meant(text, w.Whole)}}, i+2)
		}
	}
	return ways
}

// phrase are slots for words that were not typed so.
func (m *matcher) phrase(words ...string) []*slot {
	slots := make([]*slot, len(words))
	for i, text := range words {
		var stems [][]byte
		for _, w := range m.analyzer.words([]byte(text)) {
			stems = append(stems, w.stems...)
		}
		slots[i] = m.spelt(text, stems)
	}
	return slots
}
