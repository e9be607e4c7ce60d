package search

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/vellum/levenshtein"
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
	terms  map[string]bool
	stems  sync.Map // whether words have a stem that was found, by word
	prefix string   // what else is marked: words that begin so
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
	found := &match{marks: &marks{terms: map[string]bool{}, prefix: string(words[len(words)-1].word)}, reading: given}
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
	return mostFrequent(counts, most), nil
}

func mostFrequent(counts map[string]int, most int) []string {
	terms := make([]string, 0, len(counts))
	for term := range counts {
		terms = append(terms, term)
	}
	slices.SortFunc(terms, func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	return terms[:min(len(terms), most)]
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

// scratch is memory for scores, two numbers a row, all zero between uses.
type scratch struct {
	scores []uint32 // in one way of understanding
	best   []uint32 // in all of them
	buffer []uint32
}

var scratches = sync.Pool{New: func() any { return &scratch{buffer: make([]uint32, 4096)} }}

// A number of the scratch: how many slots were met, how many of them in the name, and the sum of their weights.
const (
	sumBits  = 20
	nameBits = 5
	oneSlot  = 1 << (sumBits + nameBits)
	oneName  = 1 << sumBits
	sumMask  = 1<<sumBits - 1
)

// list is where a term of a slot was found.
type list struct {
	postings []postings
	weight   uint32
	name     uint32 // oneName if it is the name
	term     string
	asFound  int // the option's weight
}

// run finds what is meant in any of the ways; what several find has the best of their scores. It returns the way that found
// the best row, and that row.
func (m *matcher) run(found *match, ways []interpretation) (best interpretation, top uint32, err error) {
	sc := m.scratch
	bestScore := uint32(0)
	found.rows = nil
	scores := &sc.scores
	for _, w := range ways {
		rows, err := m.runOne(found, w)
		if err != nil {
			return best, top, err
		}
		for _, row := range rows {
			if score := sc.scores[row]; score > bestScore {
				best, top, bestScore = w, row, score
			}
		}
		if len(ways) == 1 {
			found.rows = rows
			break
		}
		scores = &sc.best
		for _, row := range rows {
			if sc.best[row] == 0 {
				found.rows = append(found.rows, row)
			}
			sc.best[row], sc.scores[row] = max(sc.best[row], sc.scores[row]), 0
		}
	}
	found.rows = sorted(found.rows, len(sc.scores))
	found.scores = make([]int32, len(found.rows))
	for i, row := range found.rows {
		found.scores[i], (*scores)[row] = int32((*scores)[row]), 0
	}
	return best, top, nil
}

// sorted are rows, each of them once and below most, in ascending order. Many are marked in a set of bits and read out of it
// again, which takes less than comparing them.
func sorted(rows []uint32, most int) []uint32 {
	if slices.IsSorted(rows) {
		return rows
	}
	if len(rows)*bits.Len(uint(len(rows))) < most/64 {
		slices.Sort(rows)
		return rows
	}
	marks := make([]uint64, most/64+1)
	for _, row := range rows {
		marks[row/64] |= 1 << (row % 64)
	}
	rows = rows[:0]
	for i, mark := range marks {
		for ; mark != 0; mark &= mark - 1 {
			rows = append(rows, uint32(i*64+bits.TrailingZeros64(mark)))
		}
	}
	return rows
}

// runOne finds the rows that have something of every slot. It begins with the rarest slot, and each slot with what weighs
// most, so that a row is scored by the first list that has it. It leaves their scores, all above 0, in the scratch.
func (m *matcher) runOne(found *match, r interpretation) (rows []uint32, err error) {
	type filled struct {
		lists []list
		count int
	}
	var needed []filled
	for _, s := range r.slots {
		if s.optional {
			continue
		}
		lists, count, err := m.lists(s)
		if err != nil || count == 0 {
			return nil, err
		}
		needed = append(needed, filled{lists, count})
		for _, l := range lists {
			found.terms[l.term] = true
		}
	}
	slices.SortStableFunc(needed, func(a, b filled) int { return cmp.Compare(a.count, b.count) })
	sc := m.scratch
	for i, f := range needed {
		met := uint32(i) * oneSlot
		next := make([]uint32, 0, min(f.count, max(len(rows), 1024)))
		for _, l := range f.lists {
			for _, p := range l.postings {
				p.each(sc.buffer, func(batch []uint32) {
					for _, row := range batch {
						sc.grow(row)
						at := sc.scores[row]
						if at&^(oneSlot-1) == met && (i == 0 || at != 0) {
							sc.scores[row] = at + oneSlot + l.name + l.weight
							next = append(next, row)
						}
					}
				})
			}
		}
		for _, row := range rows {
			if sc.scores[row]&^(oneSlot-1) == met {
				sc.scores[row] = 0 // it lacks this slot
			}
		}
		rows = next
	}
	n := uint32(len(needed))
	for _, row := range rows {
		at := sc.scores[row]
		sum, names := at&sumMask/n, min(at/oneName&(1<<nameBits-1), n)
		// A name that says little else is more likely what was meant.
		sum += sum * names / (2 * max(n, uint32(m.nameSize(row))))
		sc.scores[row] = max(1, sum*uint32(r.weight)/100)
	}
	return rows, nil
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

func (l list) has(buffer []uint32, row uint32) (has bool) {
	for _, p := range l.postings {
		p.each(buffer, func(rows []uint32) { has = has || slices.Contains(rows, row) })
	}
	return has
}

// lists are where the options of a slot stand, heaviest first.
func (m *matcher) lists(s *slot) (lists []list, total int, err error) {
	for _, o := range s.options {
		for field, weight := range fieldWeights {
			found, n, err := m.postings(field, o.term)
			if err != nil {
				return nil, 0, err
			}
			if n == 0 {
				continue
			}
			l := list{postings: found, weight: uint32(weight * o.weight), term: o.term, asFound: o.weight}
			if field == inName {
				l.name = oneName
			}
			lists, total = append(lists, l), total+n
		}
	}
	slices.SortStableFunc(lists, func(a, b list) int { return cmp.Compare(b.weight, a.weight) })
	return lists, total, nil
}

func (sc *scratch) grow(row uint32) {
	if n := int(row) + 1; n > len(sc.scores) {
		n = max(n, min(2*len(sc.scores), math.MaxInt32))
		sc.scores, sc.best = longer(sc.scores, n), longer(sc.best, n)
	}
}
