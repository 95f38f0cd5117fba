package conformance_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/conformance"
)

// The plugins that are right pass everything.
func TestRightPluginsPass(t *testing.T) {
	if testing.Short() {
		t.Skip("plugins are killed many times")
	}
	for _, role := range []string{"right subscriber", "right reader", "right loader"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			report := run(t, played(t, role))
			for _, r := range report.Results {
				if r.Outcome != conformance.Pass && r.Check != "keys" {
					t.Errorf("%s %s: saw %s%s, want %s", r.Outcome, r.Check, r.Saw, r.Reason, r.Want)
				}
			}
		})
	}
}

// played tests the plugin that this program is in a role. A meddler needs more
// than its host's socket.
func played(t *testing.T, role string) conformance.Config {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	_, meddles := meddlers()[role]
	return conformance.Config{Path: self, Env: []string{roleEnv + "=" + role, "GORACE=atexit_sleep_ms=0"}, Reach: meddles, Tell: shown(t)}
}

// Every plugin that is wrong is found by the check that is meant for it, which
// says what it saw and what to do.
func TestWrongPluginsAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("plugins are killed many times")
	}
	for _, test := range []struct{ role, check, saw string }{
		{"exits", "start", "exited with code 3"},
		{"prints", "stdout", `it prints "a library greets you" before its handshake`},
		{"never the same", "describe", "it describes itself differently each time"},
		{"bad name", "describe", "a register's name is lower-case words joined by dots"},
		{"ignores stop", "stop", "it was asked to end and had to be killed"},
		{"orphan", "host-gone", "processes"},
		{"takes settings", "settings", "it finds no mistake"},
		{"bad settings", "hostile-settings", "step = -1: "},
		{"miscounts", "rows", "and called it one of 7"},
		{"panic", "rows", "integer divide by zero"},
		{"hang", "rows", "was not through"},
		{"chance", "repeat", "in another process, row "},
		{"no safe points", "safe-points", "it says nothing about how far it is"},
		{"early barrier", "barrier", "rows came after the answer to the barrier"},
		{"no barrier", "idle-barrier", "nothing came for 5s after the barrier"},
		{"no probe", "probe", "nothing came"},
		{"afterwards", "end", "after ENDED it sends the answer to a probe"},
		{"no drain", "drain", "after it was told that the host stops it has not ended"},
		{"forgets", "restore", "begun with the snapshot of checkpoint 1, row 1 of "},
		{"forgets", "kill", "killed, and begun again at checkpoint 1, row 1 of "},
		{"lock", "kill", "after it was killed it does not begin at its checkpoint"},
		{"everybodys", "rewind", "taken back to the beginning, row 1 of "},
		{"believes", "bad-snapshot", "it begins with a snapshot that is garbage"},
		{"dies of a kind", "frames", "given a frame of the unknown kind 99, "},
		{"dies of size", "oversize", "given a body of 64 MiB that is no Arrow, "},
		{"hoards", "backpressure", "while nobody read what it sends"},
		{"files", "leaks", "files more"},
		{"memory", "leaks", "MiB more"},
		{"sleep", "throughput", "was not through"},
		{"commits later", "commit", "is committed up to nowhere"},
		{"anything", "truncates", "it goes on from checkpoint 99, which it has never committed"},
		{"elders", "truncates", "is let in after generation"},
		{"reads by chance", "repeat", "read again, row "},
		{"reads anew", "restore", "begun at block "},
		{"reads with a gap", "kill", "killed, and begun again at block "},
		{"reads anew", "rewind", "taken back to block "},
		{"answers nothing", "idle-barrier", "nothing came for 5s after the barrier"},
		{"reads no drain", "drain", "it has not ended"},
		{"stays", "drain", "it has not ended"},
	} {
		t.Run(test.role+"/"+test.check, func(t *testing.T) {
			t.Parallel()
			cfg := played(t, test.role)
			cfg.Run = regexp.MustCompile("^" + test.check + "$")
			cfg.Deadline = 30 * time.Second
			if test.role == "lock" {
				cfg.Settings = map[string]string{"path": filepath.Join(t.TempDir(), "lock")}
			}
			if test.role == "hang" || test.role == "sleep" {
				cfg.Deadline = 4 * time.Second
			}
			report := run(t, cfg)
			if len(report.Results) != 1 {
				t.Fatalf("%d checks were made, want one", len(report.Results))
			}
			r := report.Results[0]
			if r.Outcome != conformance.Fail || !strings.Contains(r.Saw, test.saw) {
				t.Errorf("got %s, saw %q (%s), want a failure that saw %q", r.Outcome, r.Saw, r.Reason, test.saw)
			}
			if r.Outcome == conformance.Fail && (r.Want == "" || r.Mend == "") {
				t.Errorf("it does not say what it wants (%q) and how to mend it (%q)", r.Want, r.Mend)
			}
		})
	}
}

// Rows are the same for the same seed, and others for another.
func TestSeeds(t *testing.T) {
	if testing.Short() {
		t.Skip("a plugin is run")
	}
	saw := map[uint64]string{}
	for _, seed := range []uint64{1, 2, 1} {
		cfg := played(t, "never the same")
		cfg.Run, cfg.Seed = regexp.MustCompile("^repeat$"), seed
		r := run(t, cfg).Results[0]
		_, row, _ := strings.Cut(r.Saw, "amount=")
		row, _, _ = strings.Cut(row, " ")
		if before, ok := saw[seed]; ok && before != row {
			t.Errorf("seed %d gives %q, then %q", seed, before, row)
		}
		saw[seed] = row
	}
	if saw[1] == "" || saw[1] == saw[2] {
		t.Errorf("seeds 1 and 2 give %q and %q", saw[1], saw[2])
	}
}

func TestWhatCannotBeRun(t *testing.T) {
	cfg := played(t, "right subscriber")
	cfg.Register = "role.nothing"
	if _, err := conformance.Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), `no register "role.nothing": it has ["role.counts"]`) {
		t.Errorf("got %v", err)
	}
	cfg = played(t, "right subscriber")
	cfg.Settings = map[string]string{"stap": "2"}
	if _, err := conformance.Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), `no register has a setting "stap": there is path, step`) {
		t.Errorf("got %v", err)
	}
	if _, err := conformance.Run(t.Context(), conformance.Config{}); err == nil || !strings.Contains(err.Error(), "its path is missing") {
		t.Errorf("got %v", err)
	}
	report, err := conformance.Run(t.Context(), conformance.Config{Path: "/no/such/plugin"})
	if err != nil || report.Count(conformance.Fail) == 0 || !strings.Contains(report.Results[0].Saw, "there is no file") {
		t.Errorf("got %+v and %v, want a check that fails", report, err)
	}
}
