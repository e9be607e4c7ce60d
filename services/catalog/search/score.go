package search

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"sync"
)

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
			found.add(l.term)
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
