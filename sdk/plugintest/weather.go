package plugintest

import "time"

// What follows is what happens to a loader in a Storm.

// weather writes most of the chain, in spite of everything.
func (s *storm[In]) weather() {
	s.Helper()
	s.open()
	for troubles := 8 + s.random.IntN(8); troubles > 0 || s.sent < s.Blocks/2; {
		s.send()
		switch {
		case s.chance(20):
			s.checkpoint()
		case s.chance(15):
			s.complete()
		}
		if s.shelter.Harm != nil && s.chance(6) {
			s.note("harm is done")
			s.shelter.Harm(s.random)
		}
		if troubles > 0 && (s.sent == s.Blocks || s.chance(8)) {
			troubles--
			s.trouble()
		}
	}
}

func (s *storm[In]) trouble() {
	s.Helper()
	switch at := s.random.IntN(10); {
	case at < 6:
		s.kill()
	case at < 8:
		s.note("the host hangs up")
		s.process.HangUp()
		s.forget()
	default:
		s.rewind()
		return
	}
	if s.chance(25) {
		s.reorganise()
	}
	s.open()
}

// kill ends the process of the loader in the middle of what it does.
func (s *storm[In]) kill() {
	s.Helper()
	from := s.sent
	s.process.Try(func() {
		for range s.random.IntN(8) {
			s.send()
			if s.chance(30) {
				s.complete()
			}
		}
		if s.chance(50) {
			s.complete()
			s.process.Barrier(s.next) // of which the host will not know whether it was taken
			s.note("checkpoint %d is asked for, of %d blocks", s.next, s.sent)
			if s.chance(50) {
				s.next++ // or else the number is used once more
			}
		}
	})
	moment := time.Duration(s.random.Int64N(int64(8 * time.Millisecond)))
	<-time.After(moment)
	s.note("the process is killed %s after %d more blocks were sent", moment, s.sent-from)
	s.plugin.Kill()
	s.process.HangUp()
	s.plugin = nil
	s.forget()
	if s.shelter.Litter != nil {
		s.shelter.Litter(s.random)
	}
}

// forget drops a checkpoint that the host had no time to record.
func (s *storm[In]) forget() {
	if len(s.marks) > s.finals && s.chance(30) {
		s.note("checkpoint %d was not recorded", s.newest().checkpoint)
		s.marks = s.marks[:len(s.marks)-1]
	}
}

// reorganise goes back to a checkpoint that can be undone, or to the last that
// cannot. Blocks after it are others.
func (s *storm[In]) reorganise() {
	s.marks = s.marks[:s.finals+s.random.IntN(len(s.marks)-s.finals+1)]
	s.forks++
	for n := s.newest().sent; n < s.Blocks; n++ {
		s.versions[n]++
	}
	s.note("the chain is reorganised back to checkpoint %d", s.newest().checkpoint)
}

// rewind goes back without hanging up.
func (s *storm[In]) rewind() {
	s.Helper()
	if s.chance(50) {
		s.reorganise()
	}
	s.generation++
	to := s.newest()
	s.note("it is rewound to checkpoint %d, of %d blocks", to.checkpoint, to.sent)
	s.process.RewindTo(to.checkpoint, s.cursor(to), nil)
	s.sent = to.sent
}
