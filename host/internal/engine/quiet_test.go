package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/penstock-io/penstock/host/internal/engine"
)

// newest is the number of the newest checkpoint of the first path.
func (r *rig) newest() uint64 {
	if c := r.path().Checkpoint; c != nil {
		return c.Number
	}
	return 0
}

// Where nothing moves no checkpoint is taken, however often one is due.
func TestNoCheckpointWhereNothingMoves(t *testing.T) {
	t.Parallel()
	s := newLive(t)
	s.reader += "\n until = 30"
	r := newRig(t, s.String(), on(t, t.TempDir(), nil))
	end := r.begin()
	r.waitCommitted(30)
	number, next := r.newest(), r.memory.Next()
	quiet := time.NewTimer(time.Second)
	defer quiet.Stop()
	<-quiet.C
	do(t, "checkpoint", r.Checkpoint(soon(t), "p"))
	if again := r.newest(); again != number {
		t.Errorf("checkpoint %d was taken after %d although nothing had moved", again, number)
	}
	if n := r.memory.Next(); n != next+1 {
		t.Errorf("%d checkpoints were begun although nothing had moved", n-next-1)
	}
	s.ended(t, r, end, 1)
}

// At the head there is a checkpoint for every block, or for every epoch where
// the pipeline has some.
func TestCheckpointsAtTheHead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, epoch string
		size        uint64
	}{
		{name: "blocks", size: 1},
		{name: "epochs", size: 5, epoch: "epoch { size = 5 }"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSums(t)
			s.head = "from = 1\n" + c.epoch
			s.reader = "head = 10\n pause = \"100ms\""
			r := newRig(t, s.String(), on(t, t.TempDir(), func(c *engine.Config) { c.Checkpoint.Every = time.Hour }))
			end := r.begin()
			waitFor(t, "some blocks and checkpoints", func() bool { return r.block() >= 26 && len(r.memory.Kept()) >= 2 })
			all := r.memory.Kept()
			blocks, last := r.block()-10, uint64(0)
			for _, kept := range all {
				at := kept.Readers["p/blocks"].Block
				if last > 0 && at/c.size == last/c.size {
					t.Errorf("checkpoints were taken at blocks %d and %d, which end the same epoch", last, at)
				}
				last = at
			}
			if n := uint64(len(all)); n > blocks/c.size+2 {
				t.Errorf("%d checkpoints are kept of %d blocks, want one for every %d", n, blocks, c.size)
			}
			s.ended(t, r, end, 1)
		})
	}
}

// What is older than the newest final checkpoint is forgotten, and loaders are
// told; without finality a path keeps what it may have to go back to.
func TestFinalCheckpointsAreForgotten(t *testing.T) {
	t.Parallel()
	for _, finality := range []uint64{0, 10} {
		t.Run(fmt.Sprint("finality ", finality), func(t *testing.T) {
			t.Parallel()
			s := newLive(t)
			s.reader += fmt.Sprintf("\n finality = %d", finality)
			s.endsAt(t, 100)
			r := newRig(t, s.String(), on(t, t.TempDir(), nil))
			end := r.begin()
			r.waitCommitted(100)
			s.reach(t, r, 150)
			if finality == 0 {
				if n, kept := r.newest(), uint64(len(r.memory.Kept())); kept != n {
					t.Errorf("%d of %d checkpoints are kept, want all", kept, n)
				}
				s.ended(t, r, end, 1)
				return
			}
			kept := r.memory.Kept()
			waitFor(t, "the first checkpoint that is kept to be the newest before block 140", func() bool {
				kept = r.memory.Kept()
				return len(kept) > 1 && kept[0].Readers["p/blocks"].Block <= 140 && kept[1].Readers["p/blocks"].Block > 140
			})
			waitFor(t, "the loader to be told", func() bool {
				m, err := readMarks(s.out())
				return err == nil && m.Final == kept[0].Number
			})
			s.ended(t, r, end, 1)
		})
	}
}
