package chain

import (
	"math/bits"
	"time"
)

// memory is how long times are remembered at least; twice as long at most.
const memory = 5 * time.Minute

// steps is into how many parts each doubling of a time is cut: a quantile is wrong
// by less than an eighth.
const (
	stepBits = 3
	steps    = 1 << stepBits
	octaves  = 28 // from a microsecond to four minutes
)

// spread is how often which time was measured: a histogram of fixed size.
type spread [octaves * steps]uint32

// durations are the times of calls: those of late, and all in a few bounds for
// Prometheus.
type durations struct {
	now, before spread
	turned      time.Time // when now began
	bounded     [len(bounds) + 1]uint64
	sum         time.Duration
}

// bounds are those of the histogram for Prometheus.
var bounds = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

func (d *durations) add(now time.Time, took time.Duration) {
	d.turn(now)
	d.now[stepOf(took)]++
	d.sum += took
	at := 0
	for at < len(bounds) && took > bounds[at] {
		at++
	}
	d.bounded[at]++
}

// turn forgets what is too old.
func (d *durations) turn(now time.Time) {
	switch age := now.Sub(d.turned); {
	case age < memory:
	case age < 2*memory:
		d.before, d.now, d.turned = d.now, spread{}, now
	default:
		d.before, d.now, d.turned = spread{}, spread{}, now
	}
}

// addTo adds what was measured of late to a spread.
func (d *durations) addTo(s *spread, now time.Time) {
	d.turn(now)
	for i := range s {
		s[i] += d.now[i] + d.before[i]
	}
}

// stepOf is the place of a time in a spread.
func stepOf(took time.Duration) int {
	us := uint64(max(took.Microseconds(), 1))
	octave := bits.Len64(us) - 1
	part := uint64(0)
	if octave >= stepBits {
		part = us >> (octave - stepBits) & (steps - 1)
	} else {
		part = us << (stepBits - octave) & (steps - 1)
	}
	return min(octave*steps+int(part), octaves*steps-1)
}

// quantile is the time that so many of all do not exceed; 0 where nothing was
// measured.
func (s *spread) quantile(share float64) time.Duration {
	total := uint64(0)
	for _, n := range s {
		total += uint64(n)
	}
	if total == 0 {
		return 0
	}
	rank, seen := uint64(share*float64(total-1)), uint64(0)
	for i, n := range s {
		if seen += uint64(n); seen > rank {
			octave, part := i/steps, i%steps
			return time.Duration(float64(time.Microsecond) * float64(uint64(1)<<octave) * (1 + (float64(part)+0.5)/steps))
		}
	}
	return 0
}
