package plugintest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/plugintest"
)

// paper is the smallest loader that truncates and outlives its process: a file
// of rows, with a line for each checkpoint.
type paper struct {
	Path string `hcl:"path"`

	file *os.File
	rows bytes.Buffer // not committed yet
}

func markOf(checkpoint uint64) string { return fmt.Sprintf("# %d\n", checkpoint) }

func (p *paper) Start(_ context.Context, start sdk.Start) error {
	text, err := os.ReadFile(p.Path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	size := 0
	if start.Checkpoint > 0 {
		at := strings.Index(string(text), markOf(start.Checkpoint))
		if at < 0 {
			return sdk.Stop(fmt.Errorf("checkpoint %d is not in %s", start.Checkpoint, p.Path))
		}
		size = at + len(markOf(start.Checkpoint))
	}
	if p.file, err = os.OpenFile(p.Path, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	if err := p.file.Truncate(int64(size)); err != nil {
		return err
	}
	_, err = p.file.Seek(0, io.SeekEnd)
	return err
}

func (p *paper) Load(_ context.Context, rows []row) error {
	for _, r := range rows {
		fmt.Fprintln(&p.rows, r.Value)
	}
	return nil
}

func (p *paper) Commit(_ context.Context, c sdk.Commit) error {
	if c.Checkpoint > 0 {
		p.rows.WriteString(markOf(c.Checkpoint))
	}
	_, err := p.rows.WriteTo(p.file)
	return err
}

func (p *paper) Close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// lazy commits when it is closed, which a process that is killed never is.
type lazy struct{ paper }

func (l *lazy) Commit(ctx context.Context, c sdk.Commit) error {
	if c.Checkpoint > 0 {
		l.rows.WriteString(markOf(c.Checkpoint))
	}
	return nil
}

func (l *lazy) Close() error {
	if l.file != nil {
		_, _ = l.rows.WriteTo(l.file)
	}
	return l.paper.Close()
}

// eager writes rows as they come, and does not remove them when it begins again.
type eager struct{ paper }

func (e *eager) Start(_ context.Context, _ sdk.Start) (err error) {
	e.file, err = os.OpenFile(e.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return err
}

func papers() []sdk.Register {
	return []sdk.Register{
		sdk.Loader("paper", &paper{}).Truncates(), sdk.Loader("lazy", &lazy{}).Truncates(), sdk.Loader("eager", &eager{}).Truncates(),
	}
}

// rowsIn are the rows of a file. Checkpoints are others in every run.
func rowsIn(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	var rows strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			rows.WriteString(line)
		}
	}
	return rows.String()
}

// onPaper is a storm over a file of a loader of that name.
func onPaper(t *testing.T, register string) plugintest.Storm[row] {
	t.Helper()
	return plugintest.Storm[row]{
		Register: register,
		Block: func(number, version uint64) (input int, rows []row) {
			for n := range number % 7 {
				rows = append(rows, row{int64(number*1000 + version*10 + n)})
			}
			return 0, rows
		},
		Shelter: func(plugintest.TB) plugintest.Shelter {
			path := filepath.Join(t.TempDir(), "rows")
			return plugintest.Shelter{
				Settings: map[string]any{"path": path},
				Kept:     func() map[string]string { return map[string]string{"rows": rowsIn(path)} },
			}
		},
		Blocks: 60,
	}
}

func TestALoaderOutlivesAStorm(t *testing.T) {
	for seed := range uint64(3) {
		s := onPaper(t, "paper")
		harmed, littered := 0, 0
		shelter := s.Shelter
		s.Shelter = func(t plugintest.TB) plugintest.Shelter {
			in := shelter(t)
			in.Harm = func(*rand.Rand) { harmed++ }
			in.Litter = func(*rand.Rand) { littered++ }
			return in
		}
		s.Seed = seed
		s.Check(t)
		if littered == 0 {
			t.Errorf("seed %d: no process was killed", seed)
		}
	}
}

func TestLoadersThatDoNotOutliveAStorm(t *testing.T) {
	for register, want := range map[string]string{
		"lazy":  "is not in",
		"eager": "rows is not what a run without a storm leaves: row ",
	} {
		t.Run(register, func(t *testing.T) {
			got := failure(t, func(tb plugintest.TB) { onPaper(t, register).Check(tb) })
			if !strings.Contains(got, want) || !strings.Contains(got, "Storm{Seed: 0} does the same again") || !strings.Contains(got, "\n  the process is killed ") {
				t.Errorf("the storm failed with:\n%s\nwant %q, the seed and what was done", got, want)
			}
		})
	}
}

// Between the two of them, the one process that is killed takes nothing with it
// that was committed, and the other one goes on.
func TestASpawnedPluginIsAProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows")
	step := plugintest.Step{
		Register: "paper", Settings: map[string]any{"path": path},
		Start: sdk.Start{Inputs: []sdk.Input{plugintest.Wire[row](t, "input")}},
	}
	first := plugintest.Spawn(t)
	process := plugintest.Open(t, first.Plugin, step)
	plugintest.Send(process, "input", row{1})
	process.Barrier(1)
	process.Until(plugintest.Barrier)
	plugintest.Send(process, "input", row{2})
	first.Kill()
	if e := process.Next(); e.What != plugintest.HungUp {
		t.Errorf("a process whose plugin was killed says %s, want nothing but that it has hung up", e.What)
	}

	second := plugintest.Spawn(t)
	step.Start.Checkpoint, step.Start.Generation = 1, 2
	process = plugintest.Open(t, second.Plugin, step)
	plugintest.Send(process, "input", row{3})
	process.End("input")
	process.Until(plugintest.Ended)
	process.HangUp()
	second.Close()
	if text, err := os.ReadFile(path); string(text) != "1\n# 1\n3\n" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}
