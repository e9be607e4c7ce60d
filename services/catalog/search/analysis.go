package search

import (
	"bytes"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/analysis/char/asciifolding"
	"github.com/blevesearch/bleve/v2/analysis/lang/de"
	"github.com/blevesearch/bleve/v2/analysis/lang/en"
	"github.com/blevesearch/bleve/v2/analysis/token/lowercase"
	"github.com/blevesearch/bleve/v2/analysis/token/porter"
	"github.com/blevesearch/bleve/v2/analysis/tokenizer/unicode"
	"github.com/blevesearch/bleve/v2/registry"
	lru "github.com/hashicorp/golang-lru/v2"
)

// analysisName is by what name bleve knows our analysis, in every index, whatever it was at the time.
const analysisName = "shop"

// analysisVersion changes with the terms that a text has: an index of another version is built anew.
const analysisVersion = "1"

// stemMark begins the terms that are stems, so that they stand beside the words themselves in one field and are not taken
// for any: a shopper's typing is completed and corrected by words only.
const stemMark = "\x01"

// analyzer turns texts into terms: each word as it is written but for case, accents and apostrophes, and its stems in every
// language of the shop. The language of a text is not known, and a German shop has English names: so a word is stemmed in
// all of them, in the index and in the query alike.
type analyzer struct {
	tokenizer tokenizer
	fold      *asciifolding.AsciiFoldingFilter
	lower     analysis.TokenFilter
	stemmers  [][]analysis.TokenFilter // per language
	stops     analysis.TokenMap
	stems     *lru.Cache[string, [][]byte] // of words, since the same ones come again and again
}

const stemsKept = 50_000 // about 6 MB

func newAnalyzer(cache *registry.Cache) (*analyzer, error) {
	stems, err := lru.New[string, [][]byte](stemsKept)
	if err != nil {
		return nil, err
	}
	a := &analyzer{
		tokenizer: tokenizer{unicode.NewUnicodeTokenizer()}, fold: asciifolding.New(), lower: lowercase.NewLowerCaseFilter(),
		stops: analysis.NewTokenMap(), stems: stems,
	}
	for _, names := range [][]string{{en.PossessiveName, porter.Name}, {de.NormalizeName, de.LightStemmerName}} {
		var filters []analysis.TokenFilter
		for _, name := range names {
			filter, err := cache.TokenFilterNamed(name)
			if err != nil {
				return nil, err
			}
			filters = append(filters, filter)
		}
		a.stemmers = append(a.stemmers, filters)
	}
	for _, words := range [][]byte{en.EnglishStopWords, de.GermanStopWords} {
		if err := a.stops.LoadBytes(words); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func init() {
	// bleve knows analyzers by name, because it keeps the names in its indexes.
	if err := registry.RegisterAnalyzer(analysisName, func(_ map[string]any, cache *registry.Cache) (analysis.Analyzer, error) {
		return newAnalyzer(cache)
	}); err != nil {
		panic(err)
	}
}

// Analyze makes the terms of a text for the index. A word that is written with a hyphen is one word, too.
func (a *analyzer) Analyze(text []byte) analysis.TokenStream {
	words := a.words(text)
	terms := make(analysis.TokenStream, 0, 3*len(words))
	add := func(at *analysis.Token, term []byte) {
		terms = append(terms, &analysis.Token{Term: term, Start: at.Start, End: at.End, Position: at.Position, Type: at.Type})
	}
	for i, w := range words {
		add(w.Token, w.word)
		for _, stem := range w.stems {
			add(w.Token, append([]byte(stemMark), stem...))
		}
		if i > 0 && words[i-1].End+1 == w.Start && text[w.Start-1] == '-' {
			add(w.Token, slices.Concat(words[i-1].word, w.word))
		}
	}
	return terms
}

// word is one of a text, where it stands in it, and what it is searched by.
type word struct {
	*analysis.Token
	word  []byte
	stems [][]byte // one per language, without repetition
}

// each yields the words of a text one by one, without stems.
func (a *analyzer) each(text []byte) iter.Seq[word] {
	return func(yield func(word) bool) {
		one := make(analysis.TokenStream, 1)
		for token := range a.tokenizer.tokens(text) {
			one[0] = token
			a.lower.Filter(one)
			if folded := a.folded(token.Term); len(folded) > 0 && !yield(word{Token: token, word: folded}) {
				return
			}
		}
	}
}

// split finds the words of a text, without stems.
func (a *analyzer) split(text []byte) []word { return slices.Collect(a.each(text)) }

// words finds the words of a text with their stems.
func (a *analyzer) words(text []byte) []word {
	words := a.split(text)
	for i, w := range words {
		words[i].stems = a.stemsOf(w.Term)
	}
	return words
}

// stemsOf are the stems of a lower-case word, one per language, without repetition.
func (a *analyzer) stemsOf(term []byte) [][]byte {
	if stems, known := a.stems.Get(string(term)); known {
		return stems
	}
	var stems [][]byte
	for _, filters := range a.stemmers {
		stream := analysis.TokenStream{{Term: bytes.Clone(term)}}
		for _, filter := range filters {
			stream = filter.Filter(stream)
		}
		stem := a.folded(stream[0].Term)
		if !slices.ContainsFunc(stems, func(other []byte) bool { return bytes.Equal(other, stem) }) {
			stems = append(stems, stem)
		}
	}
	a.stems.Add(string(term), stems)
	return stems
}

// folded is a lower-case word without accents and apostrophes.
func (a *analyzer) folded(term []byte) []byte {
	if bytes.IndexFunc(term, func(r rune) bool { return r >= utf8.RuneSelf || r == '\'' }) < 0 {
		return term
	}
	return bytes.ReplaceAll(a.fold.Filter(term), []byte("'"), nil)
}

// Fold makes spellings alike that a shopper would not tell apart: case, accents, typographic apostrophes.
func Fold(s string) string {
	s = strings.ToLower(s)
	if strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return s
	}
	return string(asciifolding.New().Filter([]byte(s)))
}
