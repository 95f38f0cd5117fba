package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-io/penstock/host/internal/bench/sample"
	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/transit"
)

// bench is what all sections share.
type bench struct {
	effort
	table *table
	dir   string // holds everything that is built, gone at the end

	typed   string // the plugin written with the SDK
	forward string // the plugin that passes ready-made frames on
	host    string // penstock
	frame   string // directory with the ready-made frame
	body    []byte // its body
}

// limit ends a turn that hangs.
const limit = time.Minute

// run prints the table. only names a section; empty: all.
func run(ctx context.Context, out io.Writer, e effort, only string) (err error) {
	if err := checkSection(only); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "penstock-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{effort: e, table: &table{out: out}, dir: dir, frame: filepath.Join(dir, "frame")}
	if err := b.build(ctx); err != nil {
		return err
	}
	if err := b.writeFrame(); err != nil {
		return fmt.Errorf("write a ready-made frame: %w", err)
	}
	b.table.preamble(fmt.Sprintf("%d processors, %s, eth.log rows of %d bytes, %d to a frame; medians of %d turns",
		runtime.NumCPU(), runtime.Version(), len(b.body)/sample.FrameRows, sample.FrameRows, e.rounds))
	for _, s := range sections {
		if only != "" && only != s.name {
			continue
		}
		b.table.section(s.title)
		if err := s.measure(ctx, b); err != nil {
			return fmt.Errorf("measure %s: %w", s.name, err)
		}
	}
	return b.table.err
}

func checkSection(name string) error {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	if name == "" || slices.Contains(names, name) {
		return nil
	}
	return fmt.Errorf("there is no section %q: write one of %s", name, strings.Join(names, ", "))
}

const module = "github.com/penstock-io/penstock/"

// build makes the programs that are measured.
func (b *bench) build(ctx context.Context) error {
	b.typed, b.forward, b.host = filepath.Join(b.dir, "typed"), filepath.Join(b.dir, "forward"), filepath.Join(b.dir, "penstock")
	for path, pkg := range map[string]string{b.typed: "host/internal/bench/plugin", b.forward: "sdk/internal/bench", b.host: "host"} {
		if err := goBuild(ctx, path, pkg); err != nil {
			return err
		}
	}
	return nil
}

// buildPlugin makes one of the plugins that come with penstock.
func (b *bench) buildPlugin(ctx context.Context, name string) (path string, err error) {
	path = filepath.Join(b.dir, name)
	return path, goBuild(ctx, path, "plugins/"+name)
}

func goBuild(ctx context.Context, path, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w", "-o", path, module+pkg)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// writeFrame writes the frame for those that do not make their own.
func (b *bench) writeFrame() error {
	encoder, err := transit.NewEncoder[eth.Log]()
	if err != nil {
		return err
	}
	if b.body, err = encoder.Append(nil, sample.Logs(sample.FrameRows)); err != nil {
		return err
	}
	if err := os.Mkdir(b.frame, 0o700); err != nil {
		return err
	}
	files := map[string][]byte{
		"type":       []byte(encoder.Type().Name),
		"schema":     encoder.Type().MarshalSchema(),
		"body":       b.body,
		"rows":       strconv.AppendInt(nil, sample.FrameRows, 10),
		"safe_every": strconv.AppendInt(nil, sample.SafeEvery, 10),
	}
	var errs []error
	for name, content := range files {
		errs = append(errs, os.WriteFile(filepath.Join(b.frame, name), content, 0o600))
	}
	return errors.Join(errs...)
}
