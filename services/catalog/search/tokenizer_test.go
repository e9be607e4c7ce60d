package search

import (
	"testing"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/analysis/tokenizer/unicode"
	"github.com/stretchr/testify/require"
)

func FuzzTokenize(f *testing.F) {
	for _, text := range []string{
		"", " ", "Blue teapot, 1.5 l (3,000 ml)", "don't 'quote' it's' rock'n'roll", "a.b.c ..a. b..c x,y 1,2 1:2 a:b ;", "snake_case _x_ a_1",
		"well-known R&D/A+B \"said\" #7", "Café Übergröße naïve", "e\u0301tude a \u0301b\u00adc\u200dd", "日本語 カタカナ ひらがな abc日本", "ש\"ל a\"b",
		"🇩🇪🇫🇷 👩\u200d👩\u200d👧 ok👍🏽", "tab\tnew\r\nline\u00a0space\u2009thin", "\xff\xfeab \xc3", "1a2b 3.x x.3 3.3 USB-C3.2",
	} {
		f.Add(text)
	}
	plain := unicode.NewUnicodeTokenizer()
	ours := tokenizer{plain}
	f.Fuzz(func(t *testing.T, text string) {
		type place struct {
			term                 string
			start, end, position int
		}
		places := func(stream analysis.TokenStream) (p []place) {
			for _, token := range stream {
				p = append(p, place{string(token.Term), token.Start, token.End, token.Position})
			}
			return p
		}
		found := places(ours.Tokenize([]byte(text)))
		if !utf8.ValidString(text) {
			return // Unicode says nothing of it
		}
		require.Equal(t, places(plain.Tokenize([]byte(text))), found)
	})
}

// Highlighting looks for the stems of a word only if something that begins as the word does was found.
func FuzzStemsBeginAsTheirWordDoes(f *testing.F) {
	for _, text := range []string{"Teapots' lid's", "Übergrößen Äpfel Öl", "ßeta Æsir þorn éclair", "y yes ties dying sky 1st", "ａｂｃ ⓐ Ⅷ", "aeaeae oeoe ueue queue"} {
		f.Add(text)
	}
	a := sharedAnalyzer()
	f.Fuzz(func(t *testing.T, text string) {
		for _, w := range a.words([]byte(text)) {
			for _, stem := range w.stems {
				if len(stem) > 0 {
					require.Equal(t, w.word[0], stem[0], "%q %q", w.word, stem)
				}
			}
		}
	})
}

func BenchmarkTokenize(b *testing.B) {
	text := []byte("A small teapot by Ramoock & Co: made of stoneware, it holds 1.2 l and doesn't drip. Dishwasher-safe, with a lid of beech wood.")
	for name, t := range map[string]analysis.Tokenizer{"unicode": unicode.NewUnicodeTokenizer(), "ours": tokenizer{unicode.NewUnicodeTokenizer()}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				t.Tokenize(text)
			}
		})
	}
}
