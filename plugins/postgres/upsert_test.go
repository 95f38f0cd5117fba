package main

import (
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// balance is a row that replaces the one before of the same holder and token.
type balance struct {
	Holder common.Address
	Token  uint8
	Block  uint64 `transit:"block_number"`
	Amount uint256.Int
	Note   *string
	Path   []common.Hash
	Extra  struct{ Delta *big.Int }
	Ratio  float64
}

func (balance) TransitType() string { return "test.balance" }

// shown is a balance as keptBalances shows it.
func (b balance) shown() string {
	note, delta := "NULL", "null"
	if b.Note != nil {
		note = *b.Note
	}
	if b.Extra.Delta != nil {
		delta = `"` + b.Extra.Delta.String() + `"`
	}
	var path []string
	for _, p := range b.Path {
		path = append(path, fmt.Sprintf(`"\\x%x"`, p[:]))
	}
	return fmt.Sprintf(`\x%x|%d|%d|%s|%s|{%s}|{"delta": %s}|%v`, b.Holder[:], b.Token, b.Block, b.Amount.Dec(), note, strings.Join(path, ","), delta, b.Ratio)
}

func keptBalances(t *testing.T, dsn string) []string {
	t.Helper()
	text := query(t, dsn, "SELECT holder, token, block_number, amount, note, path, extra, ratio FROM balances")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return lines
}

// ages is what a table held at a checkpoint.
type age struct {
	checkpoint uint64
	rows       map[string]balance
}

// replay is a storm over one table, and the model of it.
type replay struct {
	*testing.T
	random *rand.Rand
	dsn    string
	change func(s *settings)

	loader     *loader
	generation uint64
	next       uint64
	ages       []age              // checkpoints that can be gone back to; the first is the beginning, until one is final
	rows       map[string]balance // what has been loaded
	done       []string
}

func (r *replay) note(format string, args ...any) {
	r.done = append(r.done, fmt.Sprintf(format, args...))
}

// open begins at a checkpoint that is known.
func (r *replay) open(at int) {
	r.Helper()
	if r.loader != nil {
		closed(r.T, r.loader)
	}
	r.ages = r.ages[:at+1]
	from := r.ages[at]
	r.generation++
	r.note("generation %d goes on from checkpoint %d", r.generation, from.checkpoint)
	r.rows = maps.Clone(from.rows)
	r.loader = started(r.T, with(r.dsn, r.change), sdk.Start{
		Domain: "d", Step: "store", Generation: r.generation, Checkpoint: from.checkpoint, Inputs: []sdk.Input{plugintest.WireFrom[balance](r.T, "balances", "input")},
	})
}

func (r *replay) load() {
	r.Helper()
	var rows []balance
	for range 1 + r.random.IntN(30) {
		b := balance{Holder: common.Address{byte(r.random.IntN(40))}, Token: uint8(r.random.IntN(3)), Block: r.next, Ratio: r.random.Float64()}
		b.Amount.SetUint64(r.random.Uint64()).Lsh(&b.Amount, uint(r.random.IntN(192)))
		if r.random.IntN(2) == 0 {
			note := fmt.Sprint("note ", r.random.Uint32())
			b.Note = &note
			b.Path = []common.Hash{{byte(r.random.Uint32())}}
			b.Extra.Delta = big.NewInt(r.random.Int64())
		}
		rows = append(rows, b)
		r.rows[fmt.Sprint(b.Holder, b.Token)] = b
	}
	r.note("%d rows are loaded", len(rows))
	load(r.T, r.loader, 0, rows...)
}

func (r *replay) commit(checkpoint uint64) {
	r.Helper()
	r.note("commit, checkpoint %d", checkpoint)
	mark(r.T, r.loader, checkpoint)
	if checkpoint > 0 {
		r.ages = append(r.ages, age{checkpoint, maps.Clone(r.rows)})
		r.next = checkpoint + 1
	}
	var want []string
	for _, b := range r.rows {
		want = append(want, b.shown())
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, keptBalances(r.T, r.dsn)); diff != "" {
		r.Fatalf("(-want +got):\n%s\nafter:\n  %s", diff, strings.Join(r.done[max(len(r.done)-25, 0):], "\n  "))
	}
}

func (r *replay) step() {
	r.Helper()
	switch n := r.random.IntN(100); {
	case n < 40:
		r.load()
	case n < 50:
		r.commit(0)
	case n < 75:
		r.commit(r.next)
	case n < 85:
		r.open(len(r.ages) - 1)
	case n < 93:
		r.open(r.random.IntN(len(r.ages)))
	case n < 97:
		if i := r.random.IntN(len(r.ages)); r.ages[i].checkpoint > 0 {
			r.note("checkpoint %d is final", r.ages[i].checkpoint)
			if err := r.loader.Final(r.Context(), r.ages[i].checkpoint); err != nil {
				r.Fatal(err)
			}
			r.ages = r.ages[i:]
		}
	default:
		r.note("its connection is cut")
		query(r.T, r.dsn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'penstock%' AND datname = current_database()")
	}
}

// Rows that replace others come and are taken back at random. After every commit the table holds what a map holds that was put back the same
// way.
func TestWhatWasReplacedComesBack(t *testing.T) {
	for name, change := range map[string]func(s *settings){
		"one table": func(s *settings) { s.Key = []string{"holder", "token"}; s.Batch = 10 },
		"in partitions": func(s *settings) {
			s.Key, s.Partitions = []string{"holder", "token"}, &partitions{Column: "token", Size: 2}
		},
		"kept as text": func(s *settings) { s.Key = []string{"token", "holder"}; s.Types = map[string]string{"ratio": "double"} },
	} {
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%s, seed %d", name, seed), func(t *testing.T) {
				r := &replay{T: t, random: rand.New(rand.NewPCG(seed, 9)), dsn: newDatabase(t), change: change, next: 1, ages: []age{{rows: map[string]balance{}}}}
				r.open(0)
				for range 120 {
					r.step()
				}
				r.load()
				r.commit(r.next)
				if err := r.loader.Final(t.Context(), r.next-1); err != nil {
					t.Fatal(err)
				}
				r.commit(r.next)
				if left := query(t, r.dsn, "SELECT count(*) FROM penstock_undo WHERE after < "+fmt.Sprint(r.next-2)); left != "0" {
					t.Errorf("%s images are kept that nobody goes back to", left)
				}
			})
		}
	}
}

// A key that was set late is held to what is there.
func TestAKeyForATableThatHasNone(t *testing.T) {
	keyed := func(s *settings) { s.Key = []string{"block_number"} }
	start := sdk.Start{Domain: "d", Step: "store", Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}}
	dsn := newDatabase(t)
	l := started(t, with(dsn, nil), start)
	load(t, l, 0, eventsOf(1, 2)...)
	mark(t, l, 1)
	start.Checkpoint = 1
	l = started(t, with(dsn, keyed), start)
	load(t, l, 0, event{BlockNumber: 2, Name: "b"}, event{BlockNumber: 3, Name: "c"})
	mark(t, l, 2)
	if got := query(t, dsn, "SELECT block_number, name FROM events ORDER BY 1"); got != "1|a\n2|b\n3|c" {
		t.Errorf("got %q", got)
	}
	twice := newDatabase(t)
	start.Checkpoint = 0
	l = started(t, with(twice, nil), start)
	load(t, l, 0, eventsOf(1, 1)...)
	mark(t, l, 1)
	start.Checkpoint = 1
	_, err := tried(t, with(twice, keyed), start)
	says(t, err, "several rows with the same key", "block_number", "--fresh")
}

func TestKeysThatCannotBe(t *testing.T) {
	start := sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[balance](t, "balances", "input")}}
	for name, words := range map[string][]string{
		"nothing": {"nothing", "which the rows of step \"balances\" (test.balance) do not have", "holder, token"},
		"note":    {"may be null"},
		"path":    {"bytea[]", "plain values"},
		"extra":   {"jsonb"},
	} {
		l := &loader{settings: with("", func(s *settings) { s.Key = []string{name} })}
		says(t, l.plan(start), words...)
	}
	l := &loader{settings: with("", func(s *settings) { s.Key, s.Partitions = []string{"holder"}, &partitions{Size: 10} })}
	says(t, l.plan(start), "key lacks the column block_number")
}

// Tables and partitions whose rows are replaced can be made with room for that.
func TestRoomForRowsThatReplaceOthers(t *testing.T) {
	for name, test := range map[string]struct {
		change func(s *settings)
		table  string
		want   string
	}{
		"a table":     {func(s *settings) { s.Key, s.Fill = []string{"block_number"}, 70 }, "events", "{fillfactor=70}"},
		"a partition": {func(s *settings) { s.Key, s.Fill, s.Partitions = []string{"block_number"}, 70, &partitions{Size: 10} }, "events_p0", "{fillfactor=70}"},
		"by itself":   {func(s *settings) { s.Key = []string{"block_number"} }, "events", "NULL"},
	} {
		t.Run(name, func(t *testing.T) {
			dsn := newDatabase(t)
			l := started(t, with(dsn, test.change), eventsStart(t))
			load(t, l, 0, eventsOf(5)...)
			mark(t, l, 1)
			if got := query(t, dsn, "SELECT reloptions FROM pg_class WHERE oid = '"+test.table+"'::regclass"); got != test.want {
				t.Errorf("%s has the options %s, want %s", test.table, got, test.want)
			}
		})
	}
	for _, wrong := range []settings{with("", func(s *settings) { s.Fill = 50 }), with("", func(s *settings) { s.Key, s.Fill = []string{"a"}, 5 })} {
		says(t, wrong.Validate(), "fillfactor is", "write 10 to 100")
	}
}
