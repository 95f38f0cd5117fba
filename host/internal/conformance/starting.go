package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/remote"
)

const (
	// slowStart is what people notice, tooSlow what hosts give up on.
	slowStart = time.Second
	tooSlow   = 5 * time.Second
	starts    = 3
)

// checkStart starts the plugin some times.
func checkStart(ctx context.Context, b *bench) error {
	var took []time.Duration
	for range starts {
		begun := time.Now()
		p, err := b.start(ctx)
		if err != nil {
			return wrong(err.Error(), "a handshake, and an answer to the health check, within "+tooSlow.String(),
				"call sdk.Serve in main before anything that takes time: what is slow belongs into Start")
		}
		took = append(took, time.Since(begun))
		if err := p.Stop(ctx); err != nil {
			return err
		}
	}
	slices.Sort(took)
	middle := took[len(took)/2].Round(time.Millisecond)
	b.note("%s", middle)
	mend := "do in main no more than sdk.Serve: what is slow belongs into Start"
	switch {
	case middle > tooSlow:
		return wrong("it takes "+middle.String()+" to start", "less than "+tooSlow.String(), mend)
	case middle > slowStart:
		return doubtful("it takes "+middle.String()+" to start: so long a path stands still after a crash", "less than "+slowStart.String(), mend)
	}
	return nil
}

// checkStdout looks at what comes before the handshake.
func checkStdout(ctx context.Context, b *bench) error {
	cfg, log := b.config(), newHeard()
	cfg.Logger = log
	p, err := b.startWith(ctx, cfg)
	want := "the handshake as the first line on standard output"
	mend := "print to standard error, or better log with sdk.Logger; look for a library or an init function that greets its user"
	if err != nil {
		return wrong(err.Error(), want, mend)
	}
	if err := p.Stop(ctx); err != nil {
		return err
	}
	if printed := log.printed(); len(printed) > 0 {
		return wrong(fmt.Sprintf("it prints %q before its handshake", printed[0]), want+": hosts forgive a little of anything else, not much", mend)
	}
	return nil
}

// checkDescribe asks the plugin twice, in two processes.
func checkDescribe(ctx context.Context, b *bench) error {
	var texts []string
	var d remote.Description
	for range 2 {
		p, err := b.start(ctx)
		if err != nil {
			return err
		}
		if d, err = p.Describe(ctx); err != nil {
			return wrong(err.Error(), "a description that a host can read", "build the plugin with the current SDK, which checks names, types and settings when it serves")
		}
		texts = append(texts, described(d))
	}
	if texts[0] != texts[1] {
		return wrong("it describes itself differently each time: "+difference(texts[0], texts[1]), "the same description from every process",
			"make registers and the defaults of their settings from constants, not from time, chance or the environment")
	}
	if err := b.enters(d); err != nil {
		return err
	}
	var names []string
	for _, r := range d.Registers {
		names = append(names, r.Name)
		if err := checkDefaults(r.Settings, r.Name); err != nil {
			return err
		}
	}
	b.note("%s %s, SDK %s: %s", b.suite.report.Plugin, d.Version, d.SDKVersion, strings.Join(names, ", "))
	if d.Version == "" || d.Version == "unknown" {
		return doubtful("it does not say which version it is", "a version, which swaps and lock files name",
			"build it as a Go module with its version, or from a git checkout")
	}
	return undocumented(d)
}

// enters enters the registers where hosts do, which have rules for names, types
// and ports.
func (b *bench) enters(d remote.Description) error {
	into := registry.New()
	for _, r := range catalog.Registers(catalog.Description{Name: b.suite.report.Plugin, Description: d}) {
		if err := into.Add(r); err != nil {
			return wrong(err.Error(), "registers that can stand in a pipeline file", "change what the register is called, or what it declares")
		}
	}
	return nil
}

// described is a description as text.
func described(d remote.Description) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %d %q\n", d.Version, d.SDKVersion, d.Protocol, d.Features)
	for _, r := range d.Registers {
		fmt.Fprintf(&b, "%s %s %q %s %q\n", r.Name, r.Type, r.Doc, r.Output, r.Dependencies)
		for _, in := range r.Inputs {
			fmt.Fprintf(&b, "input %s %s %t\n", in.Name, in.Type, in.Any)
		}
		b.Write(asJSON(r.Settings))
		b.WriteByte('\n')
	}
	return b.String()
}

// difference is the first line in which two texts differ.
func difference(a, b string) string {
	left, right := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(left), len(right)) {
		if left[i] != right[i] {
			return fmt.Sprintf("%q, then %q", left[i], right[i])
		}
	}
	return fmt.Sprintf("%d lines, then %d", len(left), len(right))
}

// checkDefaults holds defaults to the types of their attributes.
func checkDefaults(s remote.Settings, where string) error {
	for _, a := range s.Attributes {
		if len(a.Default) > 0 && !fitsType(a.Type, a.Default) {
			return wrong(fmt.Sprintf("%s: the default of %s is %s, which is no %s", where, a.Name, a.Default, a.Type),
				"a default of the attribute's own type", "give the struct that is passed to the register a value that its field's type can hold")
		}
	}
	for _, block := range s.Blocks {
		if err := checkDefaults(block.Settings, where+"."+block.Name); err != nil {
			return err
		}
	}
	return nil
}

// fitsType tells whether JSON is of a type, as HCL writes types.
func fitsType(typ string, value json.RawMessage) bool {
	var of any
	if json.Unmarshal(value, &of) != nil {
		return false
	}
	return of == nil || fits(typ, of)
}

func fits(typ string, of any) bool {
	inner, list := strings.CutPrefix(typ, "list(")
	inner, mapped := strings.CutPrefix(inner, "map(")
	inner = strings.TrimSuffix(inner, ")")
	switch of := of.(type) {
	case string:
		return typ == "string" || typ == "any"
	case bool:
		return typ == "bool" || typ == "any"
	case float64:
		return typ == "number" || typ == "any"
	case []any:
		return typ == "any" || list && !slices.ContainsFunc(of, func(item any) bool { return !fits(inner, item) })
	case map[string]any:
		for _, item := range of {
			if mapped && !fits(inner, item) {
				return false
			}
		}
		return typ == "any" || mapped
	}
	return false
}

// undocumented finds settings that say nothing about themselves.
func undocumented(d remote.Description) error {
	var silent []string
	for _, r := range d.Registers {
		for _, a := range r.Settings.Attributes {
			if a.Doc == "" {
				silent = append(silent, r.Name+"."+a.Name)
			}
		}
	}
	if len(silent) == 0 {
		return nil
	}
	return doubtful("there is nothing to read about "+strings.Join(silent, ", "), "a sentence about every attribute, for penstock plugin describe",
		"add a doc tag to the field: `hcl:\"name,optional\" doc:\"what it does\"`")
}

// stopWithin is how long a plugin may take to end. Hosts kill after it.
const stopWithin = 2 * time.Second

// checkStop asks the plugin to end while a process of it is open.
func checkStop(ctx context.Context, b *bench) error {
	p, err := b.openAny(ctx)
	if err != nil {
		return err
	}
	begun := time.Now()
	err = p.Stop(ctx)
	mend := "return from all methods when their context ends, and give Close little to do"
	if errors.Is(err, remote.ErrKilled) {
		return wrong(fmt.Sprintf("it was asked to end and had to be killed after %s", stopWithin), "an end within "+stopWithin.String(), mend)
	}
	if exit := p.Exit(); exit != nil && err == nil && (exit.Signal != 0 || exit.Panic != "") {
		return wrong("asked to end, "+exit.Error()+panicOf(exit), "an end by itself, with code 0", mend)
	}
	b.note("%s", time.Since(begun).Round(time.Millisecond))
	return err
}

// openAny starts the plugin and opens a process of the first register that can be
// opened without knowing more of it.
func (b *bench) openAny(ctx context.Context) (*remote.Plugin, error) {
	p, err := b.start(ctx)
	if err != nil {
		return nil, err
	}
	d, err := p.Describe(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range d.Registers {
		b.subject = &subject{suite: b.suite, register: r, single: true}
		if s, err := b.fresh(ctx, opening{}); err == nil {
			b.note("with a process of %s open", r.Name)
			return s.plugin, nil
		}
	}
	b.note("with none of its processes open, as none could be")
	return p, nil
}

func panicOf(exit *remote.Exit) string {
	if exit.Panic == "" {
		return ""
	}
	return ": " + exit.Panic
}

// checkHostGone lets a process play the host, and kills it.
func checkHostGone(ctx context.Context, b *bench) error {
	if len(b.suite.cfg.Host) == 0 {
		return skip("there is no program that could play the host")
	}
	host, err := startHost(ctx, b)
	if err != nil {
		return err
	}
	defer host.end()
	if err := host.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill the host: %w", err)
	}
	begun := time.Now()
	for time.Since(begun) < goneWithin {
		if len(marked(b.suite.mark)) == 0 && !alive(host.plugin) {
			b.note("gone %s after its host", time.Since(begun).Round(time.Millisecond))
			return nil
		}
		if !sleep(ctx, 5*time.Millisecond) {
			break
		}
	}
	left := marked(b.suite.mark)
	if !slices.Contains(left, host.plugin) && alive(host.plugin) {
		left = append(left, host.plugin)
	}
	killAll(left)
	return wrong(fmt.Sprintf("%s after its host was killed, processes %v are still there", goneWithin, left), "no process that outlives its host",
		"let sdk.Serve run in the program itself, not in a child of it, and end what it starts when its standard input or the liveness pipe closes")
}

// goneWithin is how long a plugin may outlive its host.
const goneWithin = 5 * time.Second

// alive tells whether there is a process, one that has ended and not been waited
// for left out.
func alive(pid int) bool {
	process, err := os.FindProcess(pid)
	return err == nil && process.Signal(nothing) == nil && !ended(pid)
}

// sleep waits; it is false where ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
