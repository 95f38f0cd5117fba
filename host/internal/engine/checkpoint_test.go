package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// joined is a pipeline in which two readers of different speed are joined, with
// a loader for the tuples and one for the running sums of the faster reader.
type joined struct {
	dir         string
	fast, slow  string // further settings of the steps
	sum, merge  string
	sums, pairs string
}

const joinedTo = 400

func (j joined) path(name string) string { return filepath.Join(j.dir, name) }

func (j joined) String() string {
	return fmt.Sprintf(`
pipeline "p" {
  network = "n"
  from    = 1
  to      = %d
  reader "test.chain" "fast" {
    per_block = 20
    mark      = %q
    %s
  }
  reader "test.chain" "slow" {
    per_block  = 1
    safe_every = 7
    pause      = "200us"
    mark       = %q
    %s
  }
  subscriber "test.running" "sum" {
    input = fast
    mark  = %q
    %s
  }
  aggregator "test.merge" "merge" {
    inputs = { left = fast, right = slow }
    mark   = %q
    %s
  }
  loader "test.file" "sums" {
    input = sum
    path  = %q
    mark  = %q
    %s
  }
  loader "test.file" "pairs" {
    input = merge
    path  = %q
    mark  = %q
    %s
  }
}`, joinedTo, j.dir, j.fast, j.dir, j.slow, j.dir, j.sum, j.dir, j.merge,
		j.path("sums"), j.dir, j.sums, j.path("pairs"), j.dir, j.pairs)
}

// want checks that both loaders hold what an undisturbed run writes.
func (j joined) want(t *testing.T) {
	t.Helper()
	wantAll(t, lines(t, j.path("sums")), summed(rowsOf(t, j.dir, 1, joinedTo, 20)))
	var pairs []record
	for b := uint64(1); b <= joinedTo; b++ {
		r := record{BlockNumber: b, Value: b + 3*mergeWeight*b*1000}
		for _, left := range rowsOf(t, j.dir, b, b, 20) {
			r.Value += mergeWeight * left.Value
		}
		pairs = append(pairs, r)
	}
	wantAll(t, lines(t, j.path("pairs")), pairs)
}

// often takes a checkpoint every few milliseconds and never gives up.
func often(c *engine.Config) {
	c.Checkpoint.Every = 2 * time.Millisecond
	c.Restart.Max = 1000
}

// The state of every process is restored with the rows: whatever breaks once in
// any of them, sums and counts are those of a run in which nothing did.
func TestStateIsExactlyOnceAfterAFault(t *testing.T) {
	for how, steps := range map[string][]string{
		"error": {"fast", "merge"},
		"panic": {"sum", "pairs"},
		"kill":  {"fast", "slow", "sum", "merge", "sums", "pairs"},
	} {
		for _, step := range steps {
			t.Run(step+" "+how, func(t *testing.T) {
				t.Parallel()
				j := joined{dir: t.TempDir()}
				fault := fmt.Sprintf("at = 250\n how = %q", how)
				*map[string]*string{
					"fast": &j.fast, "slow": &j.slow, "sum": &j.sum, "merge": &j.merge, "sums": &j.sums, "pairs": &j.pairs,
				}[step] = fault
				r := newRig(t, j.String(), often)
				if err := r.run(t.Context()); err != nil {
					t.Fatal(err)
				}
				j.want(t)
				if _, err := os.Stat(filepath.Join(j.dir, "struck")); err != nil {
					t.Error("the fault did not strike")
				}
				if n := r.memory.Kept(); len(n) == 0 {
					t.Error("no checkpoint was taken")
				}
			})
		}
	}
}

// Plugins are killed again and again, at any moment, also while the path
// begins, checkpoints or goes back.
func TestStateIsExactlyOnceWhateverIsKilled(t *testing.T) {
	long(t)
	for _, seed := range []uint64{1, 2} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			j := joined{dir: t.TempDir(), fast: `pause = "1ms"`}
			s := sums{dir: j.dir}
			s.endsAt(t, 200)
			r := newRig(t, j.String(), often)
			ctx, ended := context.WithCancel(t.Context())
			var killer sync.WaitGroup
			kills := 0
			killer.Go(func() {
				random := rand.New(rand.NewPCG(seed, 0))
				kills = r.killSome(ctx, random, 10)
				_ = os.Remove(filepath.Join(j.dir, "ends")) // else the path does not end, which is told
				kills += r.killSome(ctx, random, 10)
			})
			err := r.run(t.Context())
			ended()
			killer.Wait()
			if err != nil {
				t.Fatal(err)
			}
			j.want(t)
			if kills < 10 {
				t.Errorf("only %d processes were killed", kills)
			}
		})
	}
}

// killSome kills plugins of the first path until there were some, or ctx ends.
func (r *rig) killSome(ctx context.Context, random *rand.Rand, most int) (kills int) {
	for kills < most {
		select {
		case <-ctx.Done():
			return kills
		case <-time.After(time.Duration(random.IntN(40)) * time.Millisecond):
		}
		processes := r.path().Processes
		if pid := processes[random.IntN(len(processes))].PID; pid != 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
			kills++
		}
	}
	return kills
}

// Barriers of two readers meet at the join and at both loaders although one
// reader is slow, one loader slower, and every edge full; what breaks meanwhile
// changes nothing.
func TestBarriersMeetOnFullEdges(t *testing.T) {
	t.Parallel()
	j := joined{dir: t.TempDir(), pairs: "at = 300\n how = \"kill\"", sums: `slow = "2ms"`}
	r := newRig(t, j.String(), often)
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.want(t)
	if n := r.path().Checkpoint.Number; n < 2 {
		t.Errorf("%d checkpoints were taken, want more", n)
	}
}
