package protocol

import "testing"

// Every rule of the protocol is there for a reason: without it a promise is
// broken, and the search finds out how.
func TestEachRuleIsNeeded(t *testing.T) {
	t.Parallel()
	longJoined, longFanned := *joined, *fanned
	longJoined.blocks, longFanned.blocks = 3, 3
	for _, c := range []struct {
		name string
		m    model
		want string
	}{
		{
			"rows wait until the checkpoint before them is recorded, where keys name checkpoints",
			model{topology: &longFanned, rules: rules{rowsBeforeRecord: true, keys: checkpointKeys, changingKeys: true}, faults: 1, checkpoints: 2},
			breaches[keyReused],
		},
		{"a join aligns its inputs", model{topology: joined, rules: rules{unaligned: true}, checkpoints: 1}, "before its mark it has"},
		{"a checkpoint is recorded when all have answered", model{topology: oneLine, rules: rules{earlyRecord: true}, checkpoints: 1}, "it does not know it"},
		{"stores keep older generations out", model{topology: oneLine, rules: rules{unfenced: true}, faults: 1, checkpoints: 1}, "a row of a dead generation"},
		{"generations are durable", model{topology: oneLine, rules: rules{sameGeneration: true}, faults: 1, checkpoints: 1}, "holds what no undisturbed run writes"},
		{"keys count forks", model{topology: fanned, rules: rules{keys: countedKeys, forklessKeys: true}, reorgs: 1, checkpoints: 1}, breaches[keyReused]},
		{"loaders truncate", model{topology: oneLine, rules: rules{keepsRows: true}, faults: 1, checkpoints: 1}, "a row of a dead generation"},
		{"a reorg goes back to before the fork", model{topology: oneLine, rules: rules{ignoresFork: true}, reorgs: 1, checkpoints: 1}, breaches[endless]},
		{"with all readers", model{topology: joined, rules: rules{leastReader: true}, reorgs: 1, checkpoints: 1}, breaches[endless]},
		{"the newest final checkpoint is kept", model{topology: oneLine, rules: rules{prunesNewestFinal: true}, faults: 1, checkpoints: 1}, breaches[nowhere]},
		{"finality counts for those that stand on the final chain", model{topology: oneLine, rules: rules{unverifiedFinality: true}, reorgs: 1, checkpoints: 1}, breaches[nowhere]},
		{"a reader waits until its last block is final", model{topology: oneLine, rules: rules{endsEarly: true}, reorgs: 1}, "has ended with other rows"},
		{"also where another reader goes on", model{topology: joined, rules: rules{endsEarly: true}, reorgs: 1}, "has ended with other rows"},
		{"a reader compares the hash it begins at", model{topology: oneLine, rules: rules{trustsCursor: true}, faults: 1, reorgs: 1, checkpoints: 1}, "holds what no undisturbed run writes"},
		{"barriers come at safe points", model{topology: oneLine, rules: rules{tornBarrier: true}, checkpoints: 1}, "before its mark it has"},
		{"a join goes on with one input while the other is held", model{topology: &longJoined, rules: rules{boundedJoin: true}, checkpoints: 1}, "nothing leads to the end"},
		{"the host answers for readers that have ended", model{topology: joined, rules: rules{nobodyStandsIn: true}, checkpoints: 1}, "nothing leads to the end"},
	} {
		t.Run(c.name, func(t *testing.T) { breaks(t, &c.m, c.want) })
	}
}

// A key that names the last checkpoint changes when the row comes again, for
// the checkpoints of the next generation lie elsewhere: no reorganisation is
// needed for it.
func TestKeysThatNameCheckpointsChange(t *testing.T) {
	t.Parallel()
	breaks(t, &model{topology: fanned, rules: rules{keys: checkpointKeys}, faults: 1, checkpoints: 1}, breaches[keyChanged])
}

// Where rows are counted from the beginning of the domain, a row has one key
// whatever crashes, and a reorganisation that a reader has reported gives new
// ones.
func TestCountedKeysLast(t *testing.T) {
	t.Parallel()
	reorgs := uint8(2)
	if testing.Short() {
		reorgs = 1
	}
	holds(t, &model{topology: fanned, rules: rules{keys: countedKeys}, faults: 1, checkpoints: 1})
	holds(t, &model{topology: fanned, rules: rules{keys: countedKeys}, reorgs: reorgs, checkpoints: 1})
}

// A reader that begins again does not know what it has emitted after its
// checkpoint. If the chain changes there at that time, nobody reports a fork,
// and the same numbers are given to other rows. Only the row itself can tell
// them apart.
func TestNobodyNoticesAReorgDuringACrash(t *testing.T) {
	t.Parallel()
	breaks(t, &model{topology: fanned, rules: rules{keys: countedKeys}, faults: 1, reorgs: 1, checkpoints: 1}, breaches[keyReused])
}

// With keys that do not name checkpoints nothing depends on it that rows wait
// until the checkpoint before them is recorded.
func TestRowsNeedNotWaitForTheRecord(t *testing.T) {
	t.Parallel()
	m := model{topology: fanned, rules: rules{rowsBeforeRecord: true}, faults: 1, checkpoints: 1}
	if !testing.Short() {
		m.reorgs = 1
	}
	holds(t, &m)
}
