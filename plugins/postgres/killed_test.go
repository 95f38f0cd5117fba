package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/plugins/postgres/internal/server"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// patient are the settings of processes of their own.
func patient() settings {
	s := defaults()
	s.Patience = time.Minute
	return s
}

// chapter is what a block holds: 15 rows of one of two inputs. With a key, most rows replace others.
func chapter(keyed bool, number, version uint64) (input int, rows []event) {
	for n := number * 15; n < (number+1)*15; n++ {
		name := strings.Repeat(fmt.Sprint(n, ".", version, " "), 60)
		if keyed {
			name = fmt.Sprint(n * n % 97)
		}
		rows = append(rows, event{BlockNumber: number, LogIndex: n + version<<32, Name: name})
	}
	return int(number / 2 % 2), rows
}

// told is what stands in a database in the end. With a key, rows may have other numbers, as more or fewer were sent at once.
func told(t *testing.T, dsn string, keyed bool) map[string]string {
	t.Helper()
	columns, order := "*", "penstock_row"
	if keyed {
		columns, order = "block_number, log_index, name", "name"
	}
	tables := map[string]string{}
	for _, table := range []string{"even", "odd"} {
		tables[table] = query(t, dsn, "SELECT "+columns+" FROM "+table+" ORDER BY "+order)
	}
	return tables
}

// stormOver is a storm in which somebody does harm besides. The databases are made in turn by what is given.
func stormOver(t *testing.T, keyed bool, seed uint64, database func() string, harm func(dsn string)) plugintest.Storm[event] {
	t.Helper()
	return plugintest.Storm[event]{
		Register: "postgres",
		Block:    func(number, version uint64) (int, []event) { return chapter(keyed, number, version) },
		Shelter: func(plugintest.TB) plugintest.Shelter {
			dsn := database()
			settings := map[string]any{"dsn": dsn, "batch": 20}
			if keyed {
				settings["key"] = []string{"name"}
			}
			return plugintest.Shelter{
				Settings: settings,
				Kept:     func() map[string]string { return told(t, dsn, keyed) },
				Harm:     func(*rand.Rand) { harm(dsn) },
			}
		},
		Inputs: []string{"even", "odd"}, Seed: seed,
	}
}

// Writers are killed in the middle of whatever they do, again and again, and connections are cut. In the end, the database holds what one
// writer writes that is left in peace.
func TestKilledWritersLeaveEveryRowOnce(t *testing.T) {
	for _, keyed := range []bool{false, true} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("keyed %t, seed %d", keyed, seed), func(t *testing.T) {
				stormOver(t, keyed, seed, func() string { return newDatabase(t) }, func(dsn string) {
					query(t, dsn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'penstock%' AND datname = current_database()")
				}).Check(t)
			})
		}
	}
}

// The server is killed and stopped under a writer, and comes again.
func TestAServerThatIsKilledLosesNothing(t *testing.T) {
	own, err := server.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	database := func() string {
		name, err := own.Database(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return own.URL(name)
	}
	for _, keyed := range []bool{false, true} {
		t.Run(fmt.Sprintf("keyed %t", keyed), func(t *testing.T) {
			hits := 0
			stormOver(t, keyed, 7, database, func(string) {
				if hits++; hits > 15 {
					return
				}
				end := own.Kill
				if hits%2 == 0 {
					end = own.Stop
				}
				if err := errors.Join(end(), own.Resume(t.Context())); err != nil {
					t.Fatal(err)
				}
			}).Check(t)
			if hits == 0 {
				t.Error("the server was not ended once")
			}
			t.Logf("the server was ended %d times", min(hits, 15))
		})
	}
}

// writer is a step of a process that writes to a database, opened at a checkpoint.
func writer(t *testing.T, dsn string, generation, checkpoint uint64) plugintest.Step {
	t.Helper()
	s := begun(t, dsn, "story", "store", checkpoint)
	s.Settings = map[string]any{"dsn": dsn, "batch": 20}
	s.Start.Generation = generation
	return s
}

// sent loads events, of which each has its number as block, and takes a checkpoint if it has a number.
func sent(p *plugintest.Process, from, to, checkpoint uint64) {
	var rows []event
	for n := from; n < to; n++ {
		rows = append(rows, event{BlockNumber: n, LogIndex: n, Name: strings.Repeat("story ", 60)})
	}
	plugintest.Send(p, "events", rows...)
	if checkpoint > 0 {
		p.Barrier(checkpoint)
		p.Until(plugintest.Barrier)
		return
	}
	p.Probe()
	p.Until(plugintest.Probed)
}

// beaten fails unless the older of two processes is refused when it commits, and for good.
func beaten(t *testing.T, plugin *plugintest.Spawned, dsn string, first *plugintest.Process) {
	t.Helper()
	first.Try(func() { first.Barrier(2) })
	wants(t, first.Expect(plugintest.Failed).Failure, "stop", "opened again since by generation 2")
	first.HangUp()
	_, failure := plugintest.TryOpen(t, plugin.Plugin, writer(t, dsn, 1, 1))
	wants(t, failure, "stop", "generation 2")
}

func TestOfTwoProcessesTheNewerOneWrites(t *testing.T) {
	dsn := newDatabase(t)
	older, newer := plugintest.Spawn(t), plugintest.Spawn(t)
	first := plugintest.Open(t, older.Plugin, writer(t, dsn, 1, 0))
	sent(first, 0, 100, 1)
	sent(first, 100, 120, 0)
	first.Block("events", 119)
	first.Until(plugintest.SafePoint) // it is in no transaction
	second := plugintest.Open(t, newer.Plugin, writer(t, dsn, 2, 1))
	sent(second, 100, 150, 2)
	sent(first, 120, 121, 0) // is gathered, and goes nowhere
	beaten(t, older, dsn, first)
	sent(second, 150, 200, 3)
	second.HangUp()
	if got := query(t, dsn, "SELECT count(*), count(DISTINCT log_index) FROM events"); got != "200|200" {
		t.Errorf("got %s rows, and as many different ones, want 200|200", got)
	}
}

// A process that is not dead, only held up, has its connection ended by the next one: it would keep the step locked.
func TestAProcessThatIsHeldUpLosesItsTurn(t *testing.T) {
	dsn := newDatabase(t)
	older, newer := plugintest.Spawn(t), plugintest.Spawn(t)
	first := plugintest.Open(t, older.Plugin, writer(t, dsn, 1, 0))
	sent(first, 0, 100, 1)
	sent(first, 100, 300, 0) // stays in its transaction
	const holder = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	until(t, "rows on their way", func() bool { return query(t, dsn, holder) != "" })
	second := plugintest.Open(t, newer.Plugin, writer(t, dsn, 2, 1))
	sent(second, 100, 101, 2)
	sent(second, 101, 160, 0) // stays in its transaction in turn
	until(t, "rows on their way again", func() bool { return query(t, dsn, holder) != "" })
	holds := query(t, dsn, holder)
	beaten(t, older, dsn, first) // it waits for the step, and may not end the newer one's connection
	if now := query(t, dsn, holder); now != holds {
		t.Errorf("backend %s has the step, want %s: an older process has ended a newer one's connection", now, holds)
	}
	second.Barrier(3)
	second.Until(plugintest.Barrier)
	second.HangUp()
	if got := query(t, dsn, "SELECT count(*) FROM events"); got != "160" {
		t.Errorf("got %s rows, want 160", got)
	}
}
