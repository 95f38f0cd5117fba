// Package protocol is a model of checkpoint and rewind, small enough to be
// searched as a whole. It has no code that runs in a host: its tests visit every
// state that four small topologies can reach, in every order of steps, and
// check in each of them what users are promised.
//
// What is modelled: readers that emit the blocks of a chain and answer barriers
// at safe points; edges that hold two frames and block their producer; a
// subscriber and a join whose state is restored from snapshots; alignment of
// barriers; loaders that truncate and loaders that cannot; the host's record,
// written in atomic steps; generations and fencing; finality and pruning; the
// closing checkpoint. At any step any process can crash, or the host with all of
// them, and a loader that died may still commit what it was committing. At any
// step, also while the host is down, the chain can be reorganised after any
// block that is not final.
//
// What is promised, in every state: a loader that truncates holds what an
// undisturbed run has written at some moment, on a branch of the chain that there
// was (where two readers are joined, each may have seen another); before the mark of a
// recorded checkpoint exactly the rows before it; after its last mark nothing of
// a dead generation. No loader is opened at a checkpoint that it does not know.
// Numbers grow. When all have ended, a loader that truncates holds the rows of
// the final chain and no others, and one that cannot has handed on all of them,
// with keys that never name two rows. From every state there is a way to the
// end without another fault: nothing waits for ever.
//
// What is left out: time (every order of steps is possible, so every timeout is
// a crash), frames in the buffers of a stream, rows of one safe point taken
// together, pausing and draining, swapping a plugin, damaged disks, and plugins
// that break the protocol. Three shortcuts do not hide anything: a frame is pushed
// as soon as there is room; going back and beginning a generation is one step,
// for nothing is open between the two; numbers that were asked for and never
// recorded are used again, which gives more ways to go wrong than numbers that
// are not. The model does not follow the code by itself: whoever changes the
// rules in the engine changes them here.
//
// How to read a counterexample: the first line says what was broken, the others
// are the steps that lead there, the fewest possible. "2.1 on branch 1/0, state
// 7" is the second row of block 2 as a reader saw it after the first
// reorganisation (branch 0 is the chain before all of them); the number after
// the slash is the branch that the second reader of a join saw; the state is
// that of the subscriber when it made the row. "On branches [0 1 3]" is what a
// reader remembers of blocks 1, 2 and 3, where 3 is nothing. A change of the
// rules is tried out by a field of rules; each rule has a test that takes it
// away and shows what happens.
package protocol
