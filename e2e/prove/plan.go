package main

import (
	"math/rand/v2"
	"slices"
)

// blow is one thing that is done to the shop: a process is killed, at any moment or at a named point in its work, and
// may lose its disk while it is dead.
type blow struct {
	process string
	point   string // of internal/failpoint; "" is any moment
	disk    string // below the instance's directory, deleted after the kill
	chained bool   // the next blow falls without waiting for the recovery from this one
}

// String names what is hit, as the report lists it.
func (b blow) String() string {
	switch {
	case b.point != "":
		return b.process + " " + b.point
	case b.disk != "":
		return b.process + " and its disk"
	}
	return b.process
}

// Points of the programs at which a death is harder to survive than elsewhere.
var (
	relayPoints = []string{"after-commit-before-publish", "after-publish-before-mark"}
	inboxPoints = []string{"before-commit", "after-effect-before-ack"}

	points = map[string][]string{
		"basket":       {"after-checkout-before-answer"},
		"inventory":    slices.Concat(relayPoints, inboxPoints),
		"notification": slices.Concat(inboxPoints, []string{"after-ses-before-settle"}),
		"ordering":     slices.Concat(relayPoints, inboxPoints, []string{"placed-before-answer"}),
		"payment":      slices.Concat(relayPoints, inboxPoints, []string{"before-provider-call", "after-provider-answer", "after-refund-answer"}),
	}

	// disks are what servers may lose: the broker's messages, which the feeds still have, and the shoppers' baskets,
	// which are not promised. The databases' disks are the shop's memory.
	disks = map[string]string{"rabbitmq": "rabbitmq/mnesia", "nats": "nats", "redis": "redis/appendonlydir"}
)

// plan is an endless sequence of blows that its seed and the instance's processes decide. The first round hits every
// target once, in random order; after it, half of the blows fall at points.
type plan struct {
	random *rand.Rand
	round  []blow
	plain  map[string][]blow // by kind of process
	atWork []blow
}

func newPlan(seed uint64, running []process) *plan {
	p := &plan{random: rand.New(rand.NewPCG(seed, 1)), plain: map[string][]blow{}}
	for _, r := range running {
		b := blow{process: r.Name}
		p.round = append(p.round, b)
		p.plain[r.Kind] = append(p.plain[r.Kind], b)
		if disk := disks[r.Name]; disk != "" {
			b.disk = disk
			p.round = append(p.round, b)
			p.plain[r.Kind] = append(p.plain[r.Kind], b)
		}
		for _, point := range points[r.Name] {
			p.atWork = append(p.atWork, blow{process: r.Name, point: point})
		}
	}
	p.round = append(p.round, p.atWork...)
	p.random.Shuffle(len(p.round), func(i, j int) { p.round[i], p.round[j] = p.round[j], p.round[i] })
	return p
}

// next is the blow that falls now.
func (p *plan) next() blow {
	if len(p.round) > 0 {
		b := p.round[0]
		p.round = p.round[1:]
		return b
	}
	kinds := []string{"program", "program", "program", "sidecar", "sidecar", "server"}
	from := p.atWork
	if p.random.IntN(2) == 0 {
		from = p.plain[kinds[p.random.IntN(len(kinds))]]
	}
	b := from[p.random.IntN(len(from))]
	b.chained = b.point == "" && p.random.IntN(5) == 0
	return b
}

// again puts a blow that did not fall back into the first round.
func (p *plan) again(b blow) { p.round = append(p.round, b) }

// whole reports whether every target has had its turn.
func (p *plan) whole() bool { return len(p.round) == 0 }
