package view

import (
	"fmt"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
)

const (
	// horizon is the time that the speed of a backfill is measured over.
	horizon = time.Minute
	// steadyAfter is how long a backfill must have been seen before its end is guessed.
	steadyAfter = 5 * time.Second
	// between is the least time between two samples of it.
	between = 500 * time.Millisecond
)

// pace remembers how far a path has come lately.
type pace struct {
	samples []milestone // oldest first, over the horizon
}

type milestone struct {
	at    time.Time
	block uint64
}

// observe takes how far the path is now. One that was taken back begins anew.
func (p *pace) observe(now time.Time, block uint64) {
	n := len(p.samples)
	switch {
	case n > 0 && block < p.samples[n-1].block:
		p.samples = p.samples[:0]
	case n > 0 && now.Sub(p.samples[n-1].at) < between:
		return
	}
	p.samples = append(p.samples, milestone{now, block})
	for len(p.samples) > 2 && now.Sub(p.samples[1].at) >= horizon {
		p.samples = p.samples[1:]
	}
}

// speed is blocks a second since the first sample that is not older than a time.
func (p *pace) speed(since time.Duration) float64 {
	if len(p.samples) < 2 {
		return 0
	}
	last := p.samples[len(p.samples)-1]
	first := p.samples[0]
	for _, s := range p.samples[:len(p.samples)-1] {
		if last.at.Sub(s.at) <= since {
			first = s
			break
		}
	}
	return float64(last.block-first.block) / max(last.at.Sub(first.at).Seconds(), 1e-9)
}

// seen is how long the path has been looked at.
func (p *pace) seen() time.Duration {
	if len(p.samples) == 0 {
		return 0
	}
	return p.samples[len(p.samples)-1].at.Sub(p.samples[0].at)
}

// left is how long so many blocks will take, as far as that can be told: from the
// faster to the slower of the speed over the last minute and that over the last
// quarter of it.
func (p *pace) left(blocks uint64) (least, most time.Duration, known bool) {
	if p.seen() < steadyAfter {
		return 0, 0, false
	}
	lately, overall := p.speed(p.seen()/4), p.speed(horizon)
	slow, fast := min(lately, overall), max(lately, overall)
	if slow <= 0 {
		return 0, 0, false
	}
	const longest = 1000 * 24 * time.Hour
	after := func(speed float64) time.Duration {
		return time.Duration(min(float64(blocks)/speed*float64(time.Second), float64(longest)))
	}
	return after(fast), after(slow), true
}

// progress is how far a path that reads history has come, and when it will be
// through: the share of its blocks, their speed, and the time that is left, as a
// range where its speed changes. It is "" where there is nothing to tell.
func (r *rates) progress(path engine.PathStatus) string {
	at := reached(path)
	if path.State != engine.PathBackfill || at == nil {
		return ""
	}
	end := path.Head
	if path.To != nil {
		end = *path.To
	}
	if end <= *at {
		return ""
	}
	text := ""
	if path.From != nil && *at >= *path.From && end > *path.From {
		share := float64(*at-*path.From+1) / float64(end-*path.From+1)
		text = fmt.Sprintf("%.1f %%", 100*share)
	}
	p := r.paces[path.Pipeline]
	if p == nil || p.seen() < steadyAfter {
		return text
	}
	if text != "" {
		text += "  "
	}
	text += perSecond(p.speed(horizon)) + " blocks/s"
	least, most, known := p.left(end - *at)
	switch {
	case !known:
		return text + "  standing still"
	case most-least <= least/4 || elapsed(least) == elapsed(most):
		return text + "  " + elapsed((least+most)/2) + " left"
	}
	return text + "  " + elapsed(least) + " to " + elapsed(most) + " left"
}
