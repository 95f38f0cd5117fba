package plugintest

// What follows is what a loader has to refuse.

// unknown opens the loader at a checkpoint that never was, or that it has been
// taken back beyond: what it held of that is gone.
func (w *walk[In]) unknown() {
	w.Helper()
	w.send()
	w.settle()
	w.process.HangUp()
	w.generation++
	from := record{number: w.next + 7, sent: w.sent}
	if len(w.undone) > 0 && w.chance(70) {
		from.number = w.undone[w.random.IntN(len(w.undone))]
	}
	w.note("generation %d is opened at checkpoint %d, which is not there", w.generation, from.number)
	opened, failure := TryOpen(w, w.here, w.start(from))
	if failure == nil {
		opened.HangUp()
		w.Fatalf("plugintest: it goes on from checkpoint %d, of which its store knows nothing: it has to refuse with sdk.Stop, and to say what to do", from.number)
	}
	if failure.Class != "stop" {
		w.Fatalf("plugintest: it refuses a checkpoint of which its store knows nothing, but not with sdk.Stop: %s", failure)
	}
	w.open()
}

// older opens the loader once more, elsewhere, by a host that should be dead.
func (w *walk[In]) older() {
	w.Helper()
	if w.generation == 1 {
		return
	}
	w.settle()
	step := w.start(w.newest())
	step.Start.Generation = 1 + w.random.Uint64N(w.generation-1)
	w.note("generation %d is opened elsewhere", step.Start.Generation)
	opened, failure := TryOpen(w, w.elsewhere, step)
	if failure == nil {
		opened.HangUp()
		w.Fatalf("plugintest: generation %d is let in after generation %d: it has to be refused with sdk.Stop", step.Start.Generation, w.generation)
	}
}

// overtake opens the loader anew elsewhere while it lives: from then on it
// must not write. A loader whose store takes one process at a time may keep the
// new one out instead, for as long as the old one lives.
func (w *walk[In]) overtake() {
	w.Helper()
	w.settle()
	old := w.process
	w.generation++
	from := w.newest()
	w.note("generation %d is opened elsewhere at checkpoint %d, of %d rows", w.generation, from.number, from.sent)
	opened, failure := TryOpen(w, w.elsewhere, w.start(from))
	if failure != nil {
		if failure.Class != "retry" {
			w.Fatalf("plugintest: open a newer generation: %s", failure)
		}
		old.HangUp()
		w.open()
		return
	}
	w.note("generation %d is sent more rows nevertheless", old.generation)
	row, shown := w.Row(w.made)
	w.made++
	old.Try(func() {
		Send(old, w.inputs[0].Name, row)
		old.Block(w.inputs[0].Name, uint64(w.sent+1))
		old.Barrier(w.next)
	})
	w.refused(old, shown)
	old.HangUp()
	w.process, w.sent = opened, from.sent
	w.here, w.elsewhere = w.elsewhere, w.here
}

// refused waits until a process has failed that must not write.
func (w *walk[In]) refused(old *Process, shown string) {
	w.Helper()
	for {
		switch e := old.Next(); e.What {
		case Failed, HungUp:
			return
		case Barrier:
			w.Fatalf("plugintest: generation %d has committed %q after generation %d was opened: it has to be refused", old.generation, shown, w.generation)
		default: // what it says of earlier rows
		}
	}
}
