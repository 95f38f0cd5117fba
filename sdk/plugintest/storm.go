package plugintest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Storm is a test of what a register promises that is declared with Truncates,
// in the worst weather: the loader runs in a process of its own, which is killed
// in the middle of whatever it does, again and again; hosts go away, forget their
// newest checkpoint and come again; the chain is reorganised. In the end the
// store has to hold what it holds after a run in which nothing happens, to the
// byte.
//
// Contract knows at every commit which rows a store has to hold. Storm looks at
// the end only, but at everything that is there: which files, cut where, with
// what in them, or rows that have replaced others. What depends on how many
// rows came at once, or on when a checkpoint was taken, has to be left out of
// Shelter.Kept, as it is another thing in every run.
//
// The TestMain of the package has to call ServeSpawned with the loader.
type Storm[In transit.Row] struct {
	// Register is the name of the loader, of those that ServeSpawned was given.
	Register string
	// Block makes the rows of a block, and says which of Inputs they go to.
	// Version counts how often the block was reorganised. The same numbers have to
	// make the same rows.
	Block func(number, version uint64) (input int, rows []In)
	// Shelter makes an empty store. It is called twice: for the storm, and for the
	// run in which nothing happens.
	Shelter func(t TB) Shelter
	// Inputs are the steps that rows come from, by name; nil: one, called rows.
	Inputs []string
	// Blocks is how long the chain is; 0: 150.
	Blocks uint64
	// Seed is that of all chance but the machine's.
	Seed uint64
}

// Shelter is where a loader keeps its rows during a Storm.
type Shelter struct {
	// Settings are the loader's, as in Step.
	Settings any
	// Kept is all that is in the store once the loader is closed, by file, table or
	// whatever it consists of. Lines are compared one by one.
	Kept func() map[string]string
	// Litter leaves what a process may leave that is killed. It is called while none
	// runs; nil: what the killed ones leave is enough.
	Litter func(random *rand.Rand)
	// Harm is what else happens, now and then while the loader writes, such as a
	// database that goes away; nil: nothing does.
	Harm func(random *rand.Rand)
}

// Check fails the test where what is kept differs.
func (c Storm[In]) Check(t TB) {
	t.Helper()
	if len(c.Inputs) == 0 {
		c.Inputs = []string{"rows"}
	}
	if c.Blocks == 0 {
		c.Blocks = 150
	}
	told := &history{TB: t, again: fmt.Sprintf("Storm{Seed: %d}", c.Seed)}
	rough := c.begin(told)
	rough.weather()
	got := rough.finish()
	calm := c.begin(&history{TB: t, again: "A run without a storm"})
	calm.versions = rough.versions
	want := calm.finish()
	for name := range want {
		if _, there := got[name]; !there {
			told.Errorf("plugintest: %s is missing; there are %q", name, slices.Sorted(maps.Keys(got)))
		}
	}
	for name, text := range got {
		whole, there := want[name]
		if !there {
			told.Errorf("plugintest: %s is too many; wanted are %q", name, slices.Sorted(maps.Keys(want)))
			continue
		}
		if diff := differ(strings.Split(text, "\n"), strings.Split(whole, "\n")); diff != "" {
			told.Errorf("plugintest: %s is not what a run without a storm leaves: %s", name, diff)
		}
	}
}

// mark is a checkpoint that the host has recorded, and how many blocks are
// before it.
type mark struct{ checkpoint, sent uint64 }

// storm is one run: a host, and the chain as it is known to it.
type storm[In transit.Row] struct {
	Storm[In]
	*history
	random  *rand.Rand
	shelter Shelter
	inputs  []sdk.Input

	versions []uint64 // of each block
	marks    []mark   // oldest first; the first is the beginning
	finals   int      // marks that cannot be undone
	next     uint64   // number of the next checkpoint
	sent     uint64   // blocks

	generation, forks uint64
	plugin            *Spawned
	process           *Process
}

func (c Storm[In]) begin(t *history) *storm[In] {
	t.Helper()
	s := &storm[In]{
		Storm: c, history: t, random: rand.New(rand.NewPCG(c.Seed, 1)), shelter: c.Shelter(t),
		versions: make([]uint64, c.Blocks), marks: []mark{{}}, finals: 1, next: 1,
	}
	for _, name := range c.Inputs {
		s.inputs = append(s.inputs, WireFrom[In](t, name, "input"))
	}
	return s
}

func (s *storm[In]) chance(percent int) bool { return s.random.IntN(100) < percent }

func (s *storm[In]) newest() mark { return s.marks[len(s.marks)-1] }

// open opens the loader at the newest checkpoint.
func (s *storm[In]) open() {
	s.Helper()
	if s.plugin == nil {
		s.plugin = Spawn(s)
	}
	s.generation++
	from, last := s.newest(), s.Blocks-1
	start := sdk.Start{
		Domain: "storm", Step: "loader", Generation: s.generation, Checkpoint: from.checkpoint, Forks: s.forks, To: &last,
		Network: sdk.Network{Name: "test", ChainID: 1}, Inputs: slices.Clone(s.inputs), Cursor: s.cursor(from),
	}
	for n := range from.sent {
		input, rows := s.Block(n, s.versions[n])
		start.Inputs[input].Rows += uint64(len(rows))
	}
	s.note("generation %d is opened at checkpoint %d, of %d blocks", s.generation, from.checkpoint, from.sent)
	s.process = Open(s, s.plugin.Plugin, Step{Register: s.Register, Settings: s.shelter.Settings, Start: start})
	s.sent = from.sent
}

func (s *storm[In]) cursor(at mark) *sdk.Cursor {
	if at.sent == 0 {
		return nil
	}
	return &sdk.Cursor{ChainID: 1, Block: at.sent - 1}
}

// send sends a block, in batches that are cut anywhere.
func (s *storm[In]) send() {
	s.Helper()
	if s.sent == s.Blocks {
		return
	}
	input, rows := s.Block(s.sent, s.versions[s.sent])
	if len(rows) > 0 {
		cut := 1 + s.random.IntN(len(rows))
		Send(s.process, s.inputs[input].Name, rows[:cut]...)
		if cut < len(rows) {
			Send(s.process, s.inputs[input].Name, rows[cut:]...)
		}
	}
	s.sent++
}

// complete tells the loader that all inputs have reached the last block that was
// sent.
func (s *storm[In]) complete() {
	s.Helper()
	if s.sent == 0 {
		return
	}
	for _, in := range s.inputs {
		s.process.SafePoint(in.Name, sdk.SafePoint{Cursor: sdk.Cursor{ChainID: 1, Block: s.sent - 1}, Head: s.Blocks - 1})
	}
}

// checkpoint takes a checkpoint. It may make an older one final.
func (s *storm[In]) checkpoint() {
	s.Helper()
	s.complete()
	s.note("checkpoint %d is taken, of %d blocks", s.next, s.sent)
	s.process.Barrier(s.next)
	s.process.Until(Barrier)
	s.marks = append(s.marks, mark{s.next, s.sent})
	s.next += 1 + s.random.Uint64N(2)                                             // they grow, but not by one always
	if i := max(s.random.IntN(len(s.marks)), s.finals-1); s.chance(30) && i > 0 { // never an older one than before
		s.note("checkpoint %d is final", s.marks[i].checkpoint)
		s.process.Final(s.marks[i].checkpoint)
		s.finals = i + 1
	}
}

// finish sends what is left, of which all is final, and returns what is kept.
func (s *storm[In]) finish() map[string]string {
	s.Helper()
	if s.process == nil {
		s.open()
	}
	for s.sent < s.Blocks {
		s.send()
		if s.chance(10) {
			s.checkpoint()
		}
	}
	s.complete()
	s.process.Barrier(s.next)
	s.process.Final(s.next)
	for _, in := range s.inputs {
		s.process.End(in.Name)
	}
	s.process.Until(Ended)
	s.process.HangUp()
	s.plugin.Close()
	return s.shelter.Kept()
}
