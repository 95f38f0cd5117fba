package main

import (
	"os"
	"testing"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// A file that goes while it is written is noticed with the next commit, not with
// the next start.
func TestAFileThatGoesIsNoticed(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(path string) error
		want string
	}{
		"removed":            {os.Remove, "rows.db has been removed while it was open"},
		"renamed":            {func(path string) error { return os.Rename(path, path+".old") }, "rows.db has been removed while it was open"},
		"replaced":           {func(path string) error { return os.Rename(copied(path), path) }, "rows.db has been replaced by another while it was open"},
		"the file beside it": {func(path string) error { return os.Remove(path + "-wal") }, "rows.db-wal has been removed while it was open"},
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t)
			process := plugintest.Open(t, plugintest.Run(t, register(short)), step(t, path))
			plugintest.Send(process, "events", eventsOf(1)...)
			process.Barrier(1)
			process.Until(plugintest.Barrier)
			if err := tt.do(path); err != nil {
				t.Fatal(err)
			}
			plugintest.Send(process, "events", eventsOf(2)...)
			process.Barrier(2)
			wants(t, process.Expect(plugintest.Failed).Failure, "stop", tt.want, "put the file back as it was", "penstock run --fresh")
		})
	}
}

// copied is a copy of a file.
func copied(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(path+".copy", text, 0o600); err != nil {
		panic(err)
	}
	return path + ".copy"
}

// A database that somebody has vacuumed, or copied from, is what it was.
func TestAFileThatOthersUseIsNoneThatGoes(t *testing.T) {
	path := newFile(t)
	l := started(t, newLoader(path), sdk.Start{Inputs: []sdk.Input{plugintest.WireFrom[event](t, "events", "input")}})
	load(t, l, 0, eventsOf(1, 2)...)
	mark(t, l, 1)
	execute(t, opened(t, path), "VACUUM")
	execute(t, opened(t, path), "PRAGMA wal_checkpoint(TRUNCATE)")
	load(t, l, 0, eventsOf(3)...)
	mark(t, l, 2)
	closed(t, l)
	if got := blocksIn(t, path, "events"); got != "1 2 3" {
		t.Errorf("got blocks %s, want 1 2 3", got)
	}
}
