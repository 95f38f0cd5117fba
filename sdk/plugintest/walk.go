package plugintest

import (
	"math/rand/v2"
	"slices"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// walkSteps is how many things happen in a walk.
const walkSteps = 60

// item is a row of the source: the n-th that was made, for an input.
type item struct{ input, n int }

// record is a checkpoint as a host records it.
type record struct {
	number uint64
	sent   int // items before it
}

// walk is one walk, and the model that it holds the store against: the store
// holds the first items of the source, as many as were sent.
type walk[In transit.Row] struct {
	Contract[In]
	*history
	random          *rand.Rand
	here, elsewhere *Plugin // two processes of the operating system, for all that a loader can tell
	store           Store
	inputs          []sdk.Input

	source []item // as far as it is known; behind a reorganisation it is another
	made   int    // rows that were ever made

	records    []record // oldest first; the first is the beginning
	undone     []uint64 // numbers of checkpoints that were taken back
	next       uint64   // number of the next checkpoint
	generation uint64
	forks      uint64

	process *Process
	sent    int
}

func (c Contract[In]) walk(t *history, seed uint64, here, elsewhere *Plugin) {
	t.Helper()
	w := &walk[In]{
		Contract: c, history: t, random: rand.New(rand.NewPCG(seed, 0)), here: here, elsewhere: elsewhere,
		store: c.Store(t), records: []record{{}}, next: 1,
	}
	for _, name := range c.Inputs {
		w.inputs = append(w.inputs, WireFrom[In](t, name, "input"))
	}
	w.open()
	for range walkSteps {
		w.step()
	}
	w.send()
	w.checkpoint()
	w.ended()
	w.process.HangUp()
}

// step does one thing. What happens all the time is likelier than what is rare.
func (w *walk[In]) step() {
	w.Helper()
	happens := []struct {
		weight int
		do     func()
	}{
		{30, w.send},
		{10, w.settle},
		{20, w.checkpoint},
		{8, w.crash},
		{4, w.crashDuringCheckpoint},
		{4, w.crashBeforeRecord},
		{5, w.rewind},
		{3, w.final},
		{3, w.reorganise},
		{2, w.end},
		{2, w.drain},
		{2, w.beginAnew},
		{2, w.unknown},
		{3, w.older},
		{3, w.overtake},
	}
	sum := 0
	for _, h := range happens {
		sum += h.weight
	}
	at := w.random.IntN(sum)
	for _, h := range happens {
		if at -= h.weight; at < 0 {
			h.do()
			return
		}
	}
}

func (w *walk[In]) chance(percent int) bool { return w.random.IntN(100) < percent }

// newest is the checkpoint that a host goes on from.
func (w *walk[In]) newest() record { return w.records[len(w.records)-1] }

// start is what a process is told that goes on from a checkpoint.
func (w *walk[In]) start(from record) Step {
	start := sdk.Start{
		Domain: "contract", Step: "loader", Generation: w.generation, Checkpoint: from.number, Forks: w.forks,
		Network: sdk.Network{Name: "test", ChainID: 1}, Inputs: slices.Clone(w.inputs),
	}
	if from.number > 0 {
		start.Cursor = w.cursor(from.sent)
		for i := range from.sent {
			start.Inputs[w.item(i).input].Rows++
		}
	}
	return Step{Register: w.Register.Internal().Name, Settings: w.store.Settings, Start: start}
}

func (w *walk[In]) cursor(sent int) *sdk.Cursor { return &sdk.Cursor{ChainID: 1, Block: uint64(sent)} }

// open opens the loader at the newest checkpoint.
func (w *walk[In]) open() {
	w.Helper()
	w.generation++
	from := w.newest()
	w.note("generation %d is opened at checkpoint %d, of %d rows", w.generation, from.number, from.sent)
	w.process, w.sent = Open(w, w.here, w.start(from)), from.sent
}

// item is the i-th item of the source.
func (w *walk[In]) item(i int) item {
	for len(w.source) <= i {
		input := w.random.IntN(len(w.inputs))
		for range 1 + w.random.IntN(40) {
			w.source = append(w.source, item{input: input, n: w.made})
			w.made++
		}
	}
	return w.source[i]
}

// send sends some rows.
func (w *walk[In]) send() {
	w.Helper()
	for range 1 + w.random.IntN(3) {
		most := 1 + w.random.IntN(30)
		input := w.item(w.sent).input
		var rows []In
		for ; len(rows) < most && w.item(w.sent).input == input; w.sent++ {
			row, _ := w.Row(w.item(w.sent).n)
			rows = append(rows, row)
		}
		w.note("%d rows are sent to %s, %d in all", len(rows), w.inputs[input].Name, w.sent)
		Send(w.process, w.inputs[input].Name, rows...)
	}
}

// settle waits until all that was sent is committed, without a checkpoint.
func (w *walk[In]) settle() {
	w.Helper()
	w.note("all inputs have reached block %d", w.sent)
	waiting := make(map[string]bool)
	for _, in := range w.inputs {
		waiting[in.Name] = true
		w.process.SafePoint(in.Name, sdk.SafePoint{Cursor: *w.cursor(w.sent), Head: uint64(w.sent)})
	}
	for len(waiting) > 0 {
		events := w.process.Until(SafePoint)
		if e := events[len(events)-1]; e.SafePoint.Cursor.Block == uint64(w.sent) {
			delete(waiting, e.Input)
		}
	}
	w.compare()
}

// checkpoint takes a checkpoint and records it.
func (w *walk[In]) checkpoint() {
	w.Helper()
	number := w.takeCheckpoint()
	w.undone = slices.DeleteFunc(w.undone, func(undone uint64) bool { return undone == number })
	w.records = append(w.records, record{number: number, sent: w.sent})
	w.next = number + 1
}

// takeCheckpoint takes a checkpoint that counts as undone until it is recorded.
func (w *walk[In]) takeCheckpoint() uint64 {
	w.Helper()
	w.note("checkpoint %d is taken, of %d rows", w.next, w.sent)
	w.undone = append(w.undone, w.next)
	w.process.Barrier(w.next)
	events := w.process.Until(Barrier)
	if e := events[len(events)-1]; e.Checkpoint != w.next {
		w.Fatalf("plugintest: it answered checkpoint %d, want %d", e.Checkpoint, w.next)
	}
	w.compare()
	return w.next
}

// compare holds the store against the model.
func (w *walk[In]) compare() {
	w.Helper()
	want := make([][]string, len(w.inputs))
	for i := range w.sent {
		it := w.item(i)
		_, shown := w.Row(it.n)
		want[it.input] = append(want[it.input], shown)
	}
	for i, in := range w.inputs {
		if diff := differ(w.store.Rows(in.Name), want[i]); diff != "" {
			w.Fatalf("plugintest: the store does not hold what was sent to %s: %s", in.Name, diff)
		}
	}
}

// crash is a host that goes away, and comes again.
func (w *walk[In]) crash() {
	w.Helper()
	if w.chance(50) {
		w.send() // it may be in the middle of these rows
	}
	w.note("the host hangs up")
	w.process.HangUp()
	w.open()
}

// crashDuringCheckpoint is a host that goes away before it knows whether the
// loader has committed.
func (w *walk[In]) crashDuringCheckpoint() {
	w.Helper()
	w.note("checkpoint %d is asked for, and the host hangs up", w.next)
	w.process.Barrier(w.next)
	w.process.HangUp()
	w.open()
}

// crashBeforeRecord is a host that goes away after the loader has committed
// and before it could record that: the loader is one checkpoint ahead. The
// host may use the number again.
func (w *walk[In]) crashBeforeRecord() {
	w.Helper()
	number := w.takeCheckpoint()
	w.note("the host hangs up before it has recorded it")
	w.process.HangUp()
	if w.chance(50) {
		w.next = number + 1
	}
	w.open()
}

// rewind goes back to the newest checkpoint without hanging up.
func (w *walk[In]) rewind() {
	w.Helper()
	w.generation++
	from := w.newest()
	w.note("it is rewound to checkpoint %d, of %d rows, by generation %d", from.number, from.sent, w.generation)
	var cursor *sdk.Cursor
	if from.number > 0 {
		cursor = w.cursor(from.sent)
	}
	w.process.RewindTo(from.number, cursor, nil)
	w.sent = from.sent
}

// final makes a checkpoint the oldest that can be gone back to.
func (w *walk[In]) final() {
	w.Helper()
	i := w.random.IntN(len(w.records))
	if w.records[i].number == 0 {
		return
	}
	w.note("checkpoint %d is final", w.records[i].number)
	w.process.Final(w.records[i].number)
	w.records = w.records[i:]
}

// reorganise goes back to a checkpoint that is not final. Rows after it are
// others.
func (w *walk[In]) reorganise() {
	w.Helper()
	i := w.random.IntN(len(w.records))
	w.undo(w.records[i+1:])
	w.records = w.records[:i+1]
	w.forks++
	w.source = w.source[:w.newest().sent]
	w.note("the chain is reorganised back to checkpoint %d", w.newest().number)
	if w.chance(50) {
		w.rewind()
		return
	}
	w.process.HangUp()
	w.open()
}

func (w *walk[In]) undo(records []record) {
	for _, r := range records {
		if r.number > 0 {
			w.undone = append(w.undone, r.number)
		}
	}
}

// end ends all inputs: there is nothing more to come, until the host is
// started again.
func (w *walk[In]) end() {
	w.Helper()
	w.ended()
	w.open()
}

func (w *walk[In]) ended() {
	w.Helper()
	if w.sent == 0 {
		w.settle() // a source that has never said a word need not be taken for an empty one
	}
	w.note("all inputs end after %d rows", w.sent)
	for _, in := range w.inputs {
		w.process.End(in.Name)
	}
	w.process.Until(Ended)
	w.compare()
}

// drain stops the loader as a host does that ends.
func (w *walk[In]) drain() {
	w.Helper()
	w.note("all inputs are drained")
	w.process.Drain()
	w.process.Until(Ended)
	w.open()
}

// beginAnew forgets all checkpoints.
func (w *walk[In]) beginAnew() {
	w.Helper()
	w.note("the host hangs up, and forgets all checkpoints")
	w.process.HangUp()
	w.undo(w.records)
	w.records = []record{{}}
	if w.chance(50) {
		w.source = nil
	}
	w.open()
}
