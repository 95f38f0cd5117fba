package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// balance is a row of which the newest counts.
type balance struct {
	Holder      string
	BlockNumber uint64
	Amount      uint64
}

func (balance) TransitType() string { return "test.balance" }

// model is what a table should have, by holder, with the number of each row.
type model struct {
	rows map[string]string
	last int
}

func (m *model) add(b balance) {
	m.last++
	m.rows[b.Holder] = fmt.Sprintf("%d|%s|%d|%d", m.last, b.Holder, b.BlockNumber, b.Amount)
}

func (m *model) clone() *model { return &model{maps.Clone(m.rows), m.last} }

func (m *model) String() string {
	return strings.Join(slices.Sorted(maps.Values(m.rows)), "\n")
}

func (m *model) check(t *testing.T, path, when string) {
	t.Helper()
	lines := strings.Split(query(t, path, "SELECT penstock_row, holder, block_number, amount FROM balances"), "\n")
	slices.Sort(lines)
	if got := strings.Join(lines, "\n"); got != m.String() {
		t.Fatalf("%s: got\n%s\nwant\n%s", when, got, m)
	}
}

// Whatever is loaded, and wherever it goes back to, the table is what it was at
// that checkpoint: rows that were replaced since stand there again, with their
// numbers.
func TestReplacedRowsComeBack(t *testing.T) {
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 0))
		path := newFile(t)
		now := &model{rows: map[string]string{}}
		marks := map[uint64]*model{}
		var newest, final, generation uint64
		open := func() *loader {
			generation++
			return started(t, newLoader(path).with(func(l *loader) { l.Key = []string{"holder"}; l.Rows = random.IntN(5) }),
				sdk.Start{Domain: "d", Generation: generation, Checkpoint: newest, Inputs: []sdk.Input{plugintest.WireFrom[balance](t, "balances", "input")}})
		}
		l := open()
		for step := range 60 {
			for range random.IntN(6) {
				b := balance{Holder: string(rune('a' + random.IntN(6))), BlockNumber: uint64(step), Amount: random.Uint64N(100)}
				now.add(b)
				load(t, l, 0, b)
			}
			switch random.IntN(6) {
			case 0, 1:
				newest++
				mark(t, l, newest)
				marks[newest] = now.clone()
				now.check(t, path, fmt.Sprintf("seed %d, checkpoint %d", seed, newest))
			case 2:
				commit(t, l)
			case 3:
				if newest > 0 && random.IntN(3) == 0 {
					final = max(final, newest-random.Uint64N(newest-final+1))
					if err := l.Final(t.Context(), final); err != nil {
						t.Fatal(err)
					}
				}
			default:
				closed(t, l)
				if newest > 0 {
					newest -= random.Uint64N(newest - max(final, 1) + 1)
					now = marks[newest].clone()
				} else {
					now = &model{rows: map[string]string{}}
				}
				l = open()
				if newest > 0 {
					now.check(t, path, fmt.Sprintf("seed %d, back to checkpoint %d", seed, newest))
				}
			}
		}
		newest++
		mark(t, l, newest)
		now.check(t, path, fmt.Sprintf("seed %d, at the end", seed))
		if err := l.Final(t.Context(), newest); err != nil {
			t.Fatal(err)
		}
		mark(t, l, newest+1)
		if got := query(t, path, "SELECT count(*) FROM penstock_replaced_balances"); got != "0" {
			t.Errorf("seed %d: %s replaced rows are kept that nobody goes back to", seed, got)
		}
		closed(t, l)
	}
}

// The key may change: it holds from then on, if the rows that are there allow it.
func TestAnotherKey(t *testing.T) {
	path := newFile(t)
	p := plugintest.Run(t, register(short))
	open := func(checkpoint uint64, key ...string) (*plugintest.Process, *plugintest.Failure) {
		return plugintest.TryOpen(t, p, plugintest.Step{
			Register: "sqlite", Settings: map[string]any{"path": path, "key": key},
			Start: sdk.Start{Checkpoint: checkpoint, Inputs: []sdk.Input{plugintest.WireFrom[balance](t, "balances", "input")}},
		})
	}
	send := func(checkpoint uint64, rows []balance, key ...string) {
		t.Helper()
		process, failure := open(checkpoint, key...)
		if failure != nil {
			t.Fatal(failure)
		}
		plugintest.Send(process, "balances", rows...)
		process.Barrier(checkpoint + 1)
		process.Until(plugintest.Barrier)
		process.HangUp()
	}
	send(0, []balance{{"a", 1, 1}, {"a", 2, 2}, {"b", 2, 2}})
	_, failure := open(1, "holder")
	wants(t, failure, "stop", path, "rows that are there already have the same values", "penstock run --fresh")
	send(1, []balance{{"b", 2, 9}}, "holder", "block_number")
	send(2, []balance{{"b", 2, 10}, {"b", 2, 10}})
	if got := query(t, path, "SELECT penstock_row, holder, block_number, amount FROM balances ORDER BY penstock_row"); got != "1|a|1|1\n2|a|2|2\n4|b|2|9\n5|b|2|10\n6|b|2|10" {
		t.Errorf("got\n%s", got)
	}
	_, failure = open(3, "owner")
	wants(t, failure, "stop", `key: the rows of step "balances" (test.balance) have no column owner: they have holder, block_number, amount`)
}

func TestKeysThatMayBeNull(t *testing.T) {
	s := plugintest.Step{Register: "sqlite", Settings: map[string]any{"path": newFile(t), "key": []string{"status"}}, Start: sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[everything](t, "all", "input")}}}
	_, failure := plugintest.TryOpen(t, plugintest.Run(t, register(short)), s)
	wants(t, failure, "stop", "column status", "may be NULL, which is equal to nothing")
}

func TestIndexes(t *testing.T) {
	path := newFile(t)
	p := plugintest.Run(t, register(short))
	s := step(t, path)
	s.Settings = map[string]any{"path": path, "index": []map[string]any{{"columns": []string{"name", "block_number"}}, {"step": "events", "columns": []string{"log_index"}, "unique": true}}}
	for range 2 { // they are made once
		plugintest.Open(t, p, s).HangUp()
	}
	want := "CREATE INDEX \"events_block_number\" ON \"events\" (\"block_number\")\nCREATE UNIQUE INDEX \"events_log_index\" ON \"events\" (\"log_index\")\nCREATE INDEX \"events_name_block_number\" ON \"events\" (\"name\", \"block_number\")"
	if got := query(t, path, "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'events' ORDER BY name"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for settings, want := range map[string]string{
		`{"step": "others", "columns": ["name"]}`: `names the step "others", which this loader does not read: it reads events`,
		`{"columns": ["nome"]}`:                   "index: the rows of step \"events\" (test.event) have no column nome: they have block_number, log_index, name",
	} {
		s.Settings = fmt.Sprintf(`{"path": %q, "index": [%s]}`, path, settings)
		_, failure := plugintest.TryOpen(t, p, s)
		wants(t, failure, "stop", want)
	}
}
