package search

import (
	_ "embed"
	"strings"
)

var (
	//go:embed synonyms.en.txt
	englishSynonyms string
	//go:embed synonyms.de.txt
	germanSynonyms string
)

// synonyms are, by a word or its stem, what else is searched for: phrases, mostly of one word.
type synonyms struct {
	phrases map[string][][]string
	words   []string // those that have any
}

// parseSynonyms reads the lists; see the head of each file for their form.
func parseSynonyms(a *analyzer, lists ...string) synonyms {
	s := synonyms{phrases: map[string][][]string{}}
	for _, list := range lists {
		for line := range strings.Lines(list) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			from, to, arrow := strings.Cut(line, "=>")
			words := strings.Split(from, ",")
			others := words
			if arrow {
				others = append(others[:len(others):len(others)], strings.Split(to, ",")...)
			}
			for _, w := range words {
				for _, other := range others {
					s.add(a, w, other)
				}
			}
		}
	}
	return s
}

func (s *synonyms) add(a *analyzer, from, to string) {
	source, phrase := a.words([]byte(from)), []string(nil)
	for _, w := range a.words([]byte(to)) {
		phrase = append(phrase, string(w.word))
	}
	if len(source) != 1 || len(phrase) == 0 || len(phrase) == 1 && phrase[0] == string(source[0].word) {
		return
	}
	keys := map[string]bool{string(source[0].word): true}
	for _, stem := range source[0].stems {
		keys[stemMark+string(stem)] = true
	}
	if text := string(source[0].word); s.phrases[text] == nil {
		s.words = append(s.words, text)
	}
	for key := range keys {
		s.phrases[key] = append(s.phrases[key], phrase)
	}
}

// of are the phrases for a word, which may be inflected.
func (s *synonyms) of(w word) [][]string {
	if found := s.phrases[string(w.word)]; found != nil {
		return found
	}
	for _, stem := range w.stems {
		if found := s.phrases[stemMark+string(stem)]; found != nil {
			return found
		}
	}
	return nil
}
