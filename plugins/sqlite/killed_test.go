package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/sdk/plugintest"
)

func TestMain(m *testing.M) {
	plugintest.ServeSpawned(register(time.Minute))
	os.Exit(m.Run())
}

// Writers are killed in the middle of whatever they do, again and again. In the end, the file holds what one writer writes that is left
// in peace.
func TestKilledWritersLeaveEveryRowOnce(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			plugintest.Storm[event]{
				Register: "sqlite",
				Block: func(number, version uint64) (input int, rows []event) {
					for n := number * 20; n < (number+1)*20; n++ {
						rows = append(rows, event{BlockNumber: number, LogIndex: n, Name: strings.Repeat(fmt.Sprint(n, ".", version, " "), 60)})
					}
					return int(number / 2 % 2), rows
				},
				Shelter: func(plugintest.TB) plugintest.Shelter {
					path := newFile(t)
					return plugintest.Shelter{
						Settings: map[string]any{"path": path, "batch": 1 + 50*(seed%2)},
						Kept: func() map[string]string {
							if got := query(t, path, "PRAGMA integrity_check"); got != "ok" {
								t.Errorf("the file is damaged: %s", got)
							}
							return map[string]string{
								"even": query(t, path, "SELECT * FROM even ORDER BY penstock_row"),
								"odd":  query(t, path, "SELECT * FROM odd ORDER BY penstock_row"),
							}
						},
					}
				},
				Inputs: []string{"even", "odd"}, Seed: seed,
			}.Check(t)
		})
	}
}

// writing is a process that writes to a file, opened at a checkpoint.
func writing(t *testing.T, p *plugintest.Spawned, path string, generation, checkpoint uint64) *plugintest.Process {
	t.Helper()
	return plugintest.Open(t, p.Plugin, writer(t, path, generation, checkpoint))
}

func writer(t *testing.T, path string, generation, checkpoint uint64) plugintest.Step {
	t.Helper()
	s := begun(t, path, "story", "store", checkpoint)
	s.Settings = map[string]any{"path": path, "batch": 1}
	s.Start.Generation = generation
	return s
}

// sent loads events, of which each has its number as block, and takes a
// checkpoint if it has a number.
func sent(p *plugintest.Process, from, to, checkpoint uint64) {
	var rows []event
	for n := from; n < to; n++ {
		rows = append(rows, event{BlockNumber: n, Name: strings.Repeat("story ", 60)})
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

func TestOfTwoProcessesTheNewerOneWrites(t *testing.T) {
	for name, late := range map[string]func(*plugintest.Process){
		"rows":         func(p *plugintest.Process) { plugintest.Send(p, "events", eventsOf(1000)...) },
		"a checkpoint": func(p *plugintest.Process) { p.Barrier(2) },
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t)
			older, newer := plugintest.Spawn(t), plugintest.Spawn(t)
			first := writing(t, older, path, 1, 0)
			sent(first, 0, 100, 1)
			sent(first, 100, 120, 0)
			first.Block("events", 119)
			first.Until(plugintest.SafePoint) // it is in no transaction

			second := writing(t, newer, path, 2, 1)
			sent(second, 100, 150, 2)
			first.Try(func() { late(first) })
			wants(t, first.Expect(plugintest.Failed).Failure, "stop", "opened again since by generation 2")
			first.HangUp()
			_, failure := plugintest.TryOpen(t, older.Plugin, writer(t, path, 1, 1)) // it stays so
			wants(t, failure, "stop", "was opened by generation 2, and this process is of generation 1")
			sent(second, 150, 200, 3)
			second.HangUp()
			if got := query(t, path, "SELECT count(*), count(DISTINCT block_number) FROM events"); got != "200|200" {
				t.Errorf("got %s rows, and as many different ones, want 200|200", got)
			}
		})
	}
}

// A process in the middle of a transaction keeps the next one waiting, until it is dead.
func TestAProcessThatDiesMakesWay(t *testing.T) {
	path := newFile(t)
	older, newer := plugintest.Spawn(t), plugintest.Spawn(t)
	first := writing(t, older, path, 1, 0)
	sent(first, 0, 100, 1)
	sent(first, 100, 300, 0)
	type opening struct {
		process *plugintest.Process
		failure *plugintest.Failure
	}
	opened := make(chan opening, 1)
	go func() {
		process, failure := plugintest.TryOpen(t, newer.Plugin, writer(t, path, 2, 1))
		opened <- opening{process, failure}
	}()
	older.Kill()
	second := <-opened
	if second.failure != nil {
		t.Fatal(second.failure)
	}
	sent(second.process, 100, 101, 2)
	second.process.HangUp()
	if got := query(t, path, "SELECT count(*) FROM events"); got != "101" {
		t.Errorf("got %s rows, want 101", got)
	}
}
