package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-io/penstock/sdk/remote"
)

// mendState is what makes a process differ that begins at a checkpoint.
const mendState = "put everything into Snapshot that later rows depend on, and take it back in Restore; keep nothing in package variables, and let rows depend on rows and settings alone"

// checkRestore begins another process at the checkpoint.
func checkRestore(ctx context.Context, b *bench) error {
	k, err := b.learn(ctx)
	if err != nil {
		return err
	}
	if err := b.versioned(k.state); err != nil {
		return err
	}
	s, err := b.fresh(ctx, k.at())
	if err != nil {
		return wrong(fmt.Sprintf("it does not begin with its own snapshot: %v", err), "a process that goes on where the first one was", mendState)
	}
	defer s.hangUp()
	got, err := k.finish(ctx, s)
	if err != nil {
		return err
	}
	if k.state == nil {
		b.note("it has no state")
	} else {
		b.note("a snapshot of %d bytes, version %d", len(k.state.State), k.state.Version)
	}
	b.note("%d rows after it", len(k.second))
	return differ(got, k.second, "begun with the snapshot of checkpoint 1", mendState)
}

// versioned holds a snapshot's version to what the register says.
func (b *bench) versioned(state *remote.Snapshot) error {
	version := max(state.GetVersion(), 1)
	if state == nil || version == b.register.SnapshotVersion {
		return nil
	}
	return wrong(fmt.Sprintf("its snapshot has version %d", version), fmt.Sprintf("version %d, which the register says it writes", b.register.SnapshotVersion),
		"declare the version with Snapshots, and let the SDK put it on the snapshot")
}

// checkKill kills the plugin while it works on rows after a checkpoint.
func checkKill(ctx context.Context, b *bench) error {
	k, err := b.learn(ctx)
	if err != nil {
		return err
	}
	s, err := b.fresh(ctx, opening{})
	if err != nil {
		return err
	}
	defer s.hangUp()
	if err := s.sendAll(ctx, k.before); err != nil {
		return err
	}
	events, err := s.barrier(ctx, 1)
	if err != nil {
		return err
	}
	if err := s.sendAll(ctx, k.after[:len(k.after)*2/3]); err != nil {
		return err
	}
	s.plugin.Kill()
	begin := k.at()
	begin.snapshot = events[len(events)-1].snapshot
	again, err := b.fresh(ctx, begin)
	if err != nil {
		return wrong(fmt.Sprintf("after it was killed it does not begin at its checkpoint: %v", err), "a process that goes on there",
			"expect what the process before has left behind: locks, files that are half written")
	}
	defer again.hangUp()
	got, err := k.finish(ctx, again)
	if err != nil {
		return err
	}
	return differ(got, k.second, "killed, and begun again at checkpoint 1", mendState)
}

// checkRewind takes the process back, without ending it.
func checkRewind(ctx context.Context, b *bench) error {
	k, err := b.learn(ctx)
	if err != nil {
		return err
	}
	s, err := b.fresh(ctx, opening{})
	if err != nil {
		return err
	}
	defer s.hangUp()
	if err := s.sendAll(ctx, k.before); err != nil {
		return err
	}
	events, err := s.barrier(ctx, 1)
	if err != nil {
		return err
	}
	if err := s.sendAll(ctx, k.after[:len(k.after)/2]); err != nil {
		return err
	}
	back := &remote.Frame{Kind: remote.KindRewind, Checkpoint: 1, Cursor: k.place, Snapshot: events[len(events)-1].snapshot}
	if err := b.rewind(ctx, s, back, k.before); err != nil {
		return err
	}
	got, err := b.sinceRewind(ctx, s, k.after)
	if err != nil {
		return err
	}
	if err := differ(got, k.second, "taken back to checkpoint 1", mendState); err != nil {
		return err
	}
	if err := b.rewind(ctx, s, &remote.Frame{Kind: remote.KindRewind}, k.after); err != nil {
		return err
	}
	if got, err = b.sinceRewind(ctx, s, k.before); err != nil {
		return err
	}
	return differ(got, k.first, "taken back to the beginning", "begin anew with nothing when there is no snapshot: keep nothing of the life before")
}

// rewind sends REWIND under a new generation, and after it frames of the old one,
// which were on their way. It returns when the process has opened again.
func (b *bench) rewind(ctx context.Context, s *session, back *remote.Frame, stale []*remote.Frame) error {
	old := s.generation
	s.generation++
	if err := s.send(ctx, back); err != nil {
		return err
	}
	for _, f := range stale {
		late := *f
		late.Generation = old
		if err := s.send(ctx, &late); err != nil {
			return err
		}
	}
	_, err := s.until(ctx, remote.KindOpened, patience)
	if silent(err) {
		return wrong(fmt.Sprintf("%s after REWIND it has not opened again", patience), "OPENED, under the generation of REWIND", "begin anew when REWIND comes, whatever is under way")
	}
	return err
}

// sinceRewind sends frames and returns the rows that come of them, up to a
// barrier.
func (b *bench) sinceRewind(ctx context.Context, s *session, frames []*remote.Frame) ([]string, error) {
	if err := s.sendAll(ctx, frames); err != nil {
		return nil, err
	}
	events, err := s.barrier(ctx, 100+s.generation)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(events, func(e event) bool { return e.generation != s.generation }); i >= 0 {
		return nil, wrong(fmt.Sprintf("after REWIND it sends %s of generation %d", kindName(events[i].kind), events[i].generation),
			fmt.Sprintf("frames of generation %d, which REWIND has named: all others are dropped by hosts", s.generation), "take the generation of REWIND over, and number frames from 1 again")
	}
	return s.rowsOf(events)
}

// checkBadSnapshots begins with what it cannot begin with.
func checkBadSnapshots(ctx context.Context, b *bench) error {
	k, err := b.learn(ctx)
	if err != nil {
		return err
	}
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	state := []byte("\x00\xffthis is nobody's state\xfe\x01")
	own := k.state.GetState()
	bad := []struct {
		what     string
		snapshot *remote.Snapshot
	}{
		{"a snapshot of a later version", &remote.Snapshot{Version: b.register.SnapshotVersion + 1, State: orElse(own, state)}},
		{"a snapshot that is garbage", &remote.Snapshot{Version: b.register.SnapshotVersion, State: state}},
	}
	if b.register.OldestSnapshot > 1 {
		bad = append(bad, struct {
			what     string
			snapshot *remote.Snapshot
		}{"a snapshot of a version that is too old", &remote.Snapshot{Version: b.register.OldestSnapshot - 1, State: orElse(own, state)}})
	}
	mend := "return an error from Restore for what Snapshot would never have written: decode strictly, and check what was decoded"
	for _, try := range bad {
		o := k.at()
		o.snapshot = try.snapshot
		s, err := b.open(ctx, p, o)
		if err == nil {
			s.hangUp()
			return wrong("it begins with "+try.what, "a refusal: with a wrong state it would give wrong rows without anybody noticing", mend)
		}
		if failure := (*remote.Failure)(nil); errors.As(err, &failure) && failure.Stack != "" {
			return wrong(fmt.Sprintf("given %s, it panics: %v%s", try.what, err, stackOf(err)), "a refusal that says what is wrong", mend)
		}
		if err := survives(p, try.what); err != nil {
			return err
		}
	}
	if len(own) < 2 {
		return nil
	}
	o := k.at()
	o.snapshot = &remote.Snapshot{Version: k.state.Version, State: own[:len(own)/2]}
	if s, err := b.open(ctx, p, o); err == nil {
		s.hangUp()
		return doubtful("it begins with the first half of its own snapshot", "a refusal: what was cut off is missing", "write how much follows, or a form that has an end, such as JSON")
	}
	return survives(p, "half a snapshot")
}

func orElse(a, b []byte) []byte {
	if len(a) > 0 {
		return a
	}
	return b
}
