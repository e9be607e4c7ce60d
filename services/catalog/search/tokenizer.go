package search

import (
	"iter"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/analysis/tokenizer/unicode"
)

// tokenizer divides texts into words as Unicode does (UAX 29), which bleve's tokenizer knows. Most of a text needs none of
// it, and that most is read here: between white space, ASCII letters and digits with nothing among them are a word.
type tokenizer struct{ unicode *unicode.UnicodeTokenizer }

// Tokenize is for bleve.
func (t tokenizer) Tokenize(text []byte) analysis.TokenStream {
	var stream analysis.TokenStream
	for token := range t.tokens(text) {
		stream = append(stream, token)
	}
	return stream
}

// What a byte of UTF-8 is to a word.
const (
	separates = iota // it ends words
	within           // it may stand between two letters or digits of one word
	belongs          // it is a letter or a digit
	unclear          // it takes Unicode's tables to tell
)

var roles = func() (roles [256]byte) {
	for c := range roles {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
			roles[c] = belongs
		case c == '.', c == ',', c == ':', c == ';', c == '\'':
			roles[c] = within
		case c >= 0x80, c == '_':
			roles[c] = unclear
		}
	}
	return roles
}()

// tokens yields the words of a text one by one.
func (t tokenizer) tokens(text []byte) iter.Seq[*analysis.Token] {
	return func(yield func(*analysis.Token) bool) {
		position := 0
		word := func(start, end int) bool {
			position++
			return yield(&analysis.Token{Term: text[start:end:end], Start: start, End: end, Position: position, Type: analysis.AlphaNumeric})
		}
		for start := 0; start < len(text); {
			if text[start] <= ' ' {
				start++
				continue
			}
			end := start // of what white space encloses
			for end < len(text) && text[end] > ' ' {
				end++
			}
			if joined(text[start:end]) {
				for _, token := range t.unicode.Tokenize(text[start:end:end]) {
					if !word(start+token.Start, start+token.End) {
						return
					}
				}
				start = end
				continue
			}
			for start < end {
				if roles[text[start]] != belongs {
					start++
					continue
				}
				from := start
				for start < end && roles[text[start]] == belongs {
					start++
				}
				if !word(from, start) {
					return
				}
			}
		}
	}
}

// joined reports whether a text has characters whose part in words takes more to tell than that they separate them.
func joined(text []byte) bool {
	for i, c := range text {
		switch {
		case roles[c] == unclear:
			return true
		case roles[c] == within && i > 0 && roles[text[i-1]] == belongs && i+1 < len(text) && roles[text[i+1]] == belongs:
			return true
		}
	}
	return false
}
