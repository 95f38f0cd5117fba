// Package chaos runs a pipeline under a seeded storm of faults and says whether
// its loaders hold in the end what an undisturbed run would have written.
//
// The pipeline runs twice as `penstock run`, each time in a directory of its
// own. The first run reads a development chain that reorganises, through a proxy
// that answers as badly as providers do; its plugins and its host are killed and
// stopped. Then the chain rests, the second run reads it with nothing going
// wrong, and what the two have written is compared, row by row and in order.
//
// All that happens is drawn from the seed, by each actor from a stream of its
// own. What it meets is not: another run of the same seed does the same at the
// same moments, to programs that are in another state by then. A seed that has
// failed therefore fails again soon, but not always at once.
//
// The clock of the machine is left alone. Jumps of the clock are those of the
// chain, whose blocks are up to a day apart.
package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/penstock-io/penstock/host/internal/chaos/compare"
	"github.com/penstock-io/penstock/host/internal/chaos/proxy"
)

// Config says what to run.
type Config struct {
	Penstock string   // the program
	Devchain string   // the program
	Args     []string // of `penstock run`, with no directory and no view among them; no relative path
	Env      []string // of the host, without ETH_RPC_URL and ETH_WS_URL
	// Pipelines is how many there are, Finality their rules for which blocks are
	// final, and Loaders what stands at their ends.
	Pipelines int
	Finality  []string
	Loaders   []Loader

	Seed     uint64
	Duration time.Duration // of the storm
	Blocks   uint64        // mined during it
	Patience time.Duration // for a run that writes nothing and is not at its end; 0: 45 seconds
	Dir      string        // an empty directory for both runs and their logs
	Tell     func(string)  // is told what goes on, a line at a time; nil: nobody
}

// Loader is one end of a pipeline.
type Loader struct {
	Step      string // with its pipeline
	Plugin    string
	Truncates bool     // it promises every row once
	Paths     []string // what may be a path in its settings, below its working directory
}

// Report is what became of a run.
type Report struct {
	Seed     uint64   `json:"seed"`
	Equal    bool     `json:"equal"`
	Problems []string `json:"problems,omitempty"` // beside a difference
	compare.Result
	// NotCompared are loaders that have left no file, such as one that prints.
	NotCompared []string       `json:"not_compared,omitempty"`
	Head        uint64         `json:"head"` // of the chain in the end
	Faults      map[string]int `json:"faults"`
	// Ends is how the host ended by itself, after which it was started again.
	Ends []string      `json:"host_ended,omitempty"`
	Took time.Duration `json:"-"`
	Dir  string        `json:"directory,omitempty"`
}

// run is one seed.
type run struct {
	Config
	plan    Plan
	chain   *chain
	journal *journal
	report  Report
}

// Run carries out one seed. An error means that nothing can be said about the
// pipeline.
func Run(ctx context.Context, c Config) (Report, error) {
	began := time.Now()
	r := &run{Config: c, plan: NewPlan(c.Seed, c.Duration, c.Blocks)}
	if r.Tell == nil {
		r.Tell = func(string) {}
	}
	r.Patience = cmp.Or(r.Patience, defaultPatience)
	r.report = Report{Seed: c.Seed, Dir: c.Dir}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := r.run(ctx)
	r.report.Equal = err == nil && r.report.First == nil && len(r.report.Problems) == 0
	r.report.Took = time.Since(began)
	return r.report, err
}

func (r *run) run(ctx context.Context) (err error) {
	stormy, calm := filepath.Join(r.Dir, "disturbed"), filepath.Join(r.Dir, "undisturbed")
	if err := errors.Join(r.prepare(stormy), r.prepare(calm)); err != nil {
		return err
	}
	if r.journal, err = openJournal(r.Dir); err != nil {
		return err
	}
	defer r.journal.close()
	chainLog, err := os.Create(filepath.Join(r.Dir, "chain.log"))
	if err != nil {
		return fmt.Errorf("start the development chain: %w", err)
	}
	defer chainLog.Close()
	if err := r.startChain(ctx, chainLog); err != nil {
		return err
	}
	defer r.chain.close()
	faulty, err := r.startProxy(ctx)
	if err != nil {
		return err
	}
	defer faulty.Close()
	disturbed, err := r.storm(ctx, stormy, faulty)
	if disturbed != nil {
		defer disturbed.end()
	}
	if err != nil {
		return err
	}
	r.report.Faults = r.journal.faults()
	if r.report.Head, err = r.rest(ctx); err != nil {
		return err
	}
	want, err := r.undisturbed(ctx, calm)
	if err != nil {
		return err
	}
	if err := r.catchUp(ctx, disturbed, want); err != nil {
		return err
	}
	r.finish(disturbed)
	return r.compare(stormy, calm)
}

func (r *run) startChain(ctx context.Context, log io.Writer) (err error) {
	r.Tell(fmt.Sprintf("seed %d: a chain of %d blocks, %d more in %s; %.0f%% of the requests go wrong",
		r.Seed, r.plan.History, r.Blocks, r.Duration, 100*r.plan.Rate))
	r.chain, err = startChain(ctx, r.Devchain, r.Seed, r.plan.History, log)
	return err
}

// prepare makes the directories of a run, and those that its loaders write to.
func (r *run) prepare(dir string) error {
	out := filepath.Join(dir, "out")
	dirs := []string{out, filepath.Join(dir, "data")}
	for _, l := range r.Loaders {
		for _, path := range l.Paths {
			dirs = append(dirs, filepath.Join(out, filepath.Dir(path)))
		}
	}
	for _, path := range dirs {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("make the directories of a run: %w", err)
		}
	}
	return nil
}

// host starts a host that reads the node at the addresses given.
func (r *run) host(ctx context.Context, dir, url, ws string) (*host, error) {
	args := append(append([]string{"run"}, r.Args...), "--data-dir", filepath.Join(dir, "data"), "--view", "lines")
	return startHost(ctx, dir, r.Penstock, args, append(append([]string(nil), r.Env...), "ETH_RPC_URL="+url, "ETH_WS_URL="+ws))
}

// startProxy starts the bad side of the node.
func (r *run) startProxy(ctx context.Context) (*proxy.Proxy, error) {
	p, err := proxy.Start(ctx, proxy.Config{
		HTTP: r.chain.HTTP, WS: r.chain.WS, Seed: r.Seed, Limits: r.plan.Limits,
		Tell: func(f proxy.Fault) {
			r.journal.note("node", f.Number, "node "+string(f.Kind), "%s: %s", f.Kind, f.About)
		},
	})
	if err == nil && p.Limit() > 0 {
		r.journal.note("node", 0, "", "eth_getLogs takes %d blocks at most", p.Limit())
	}
	return p, err
}

// storm has the pipeline run through the plan. The host still runs afterwards,
// with nothing going wrong; it is the caller's to end.
func (r *run) storm(ctx context.Context, dir string, faulty *proxy.Proxy) (*host, error) {
	url := faulty.HTTP()
	if r.plan.Socket {
		url = faulty.WS()
	}
	h, err := r.host(ctx, dir, url, faulty.WS())
	if err != nil {
		return nil, err
	}
	loaders := make([]string, 0, len(r.Loaders))
	for _, l := range r.Loaders {
		loaders = append(loaders, l.Plugin)
	}
	s := &stage{plan: r.plan, chain: r.chain, proxy: faulty, host: h, journal: r.journal, finality: r.Finality, loaders: loaders}
	return h, s.play(ctx)
}

// lastBlocks are mined when nothing goes wrong any more, so that whatever waits
// for the next block has one.
const lastBlocks = 3

// rest mines the last blocks and returns the head, which stays.
func (r *run) rest(ctx context.Context) (head uint64, err error) {
	for range lastBlocks {
		if head, err = r.chain.mine(ctx, 0); err != nil {
			return 0, err
		}
	}
	r.journal.note(string(Miner), 0, "", "the chain rests at block %d", head)
	return head, nil
}
