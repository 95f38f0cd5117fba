package conformance

import (
	"slices"

	"github.com/penstock-io/penstock/sdk/remote"
)

// ofPlugins are the checks of a plugin as a whole, in the order in which they
// are made.
var ofPlugins = []check{
	{"start", "it answers soon after it was started", checkStart},
	{"stdout", "it prints nothing before its handshake", checkStdout},
	{"describe", "what it says of itself can be used, and is always the same", checkDescribe},
	{"stop", "it ends when it is asked to, also with a process open", checkStop},
	{"host-gone", "nothing is left of it when its host dies", checkHostGone},
}

// Checks that registers of all kinds go through.
var (
	settingsCheck  = check{"settings", "mistakes in settings are told with the attribute's name", checkMistakes}
	hostileCheck   = check{"hostile-settings", "no setting makes it crash", checkHostileSettings}
	rowsCheck      = check{"rows", "it takes rows of every shape, and sends rows of its output type", checkRows}
	repeatCheck    = check{"repeat", "the same rows give the same rows in another process", checkRepeat}
	safeCheck      = check{"safe-points", "it says how far it has come, after the rows and never further than it was told", checkSafePoints}
	barrierCheck   = check{"barrier", "everything that belongs before a checkpoint comes before the answer to its barrier", checkBarrier}
	idleCheck      = check{"idle-barrier", "it answers a barrier at once where there is nothing to do", checkIdleBarrier}
	probeCheck     = check{"probe", "it says when it is through with what was sent", checkProbe}
	endCheck       = check{"end", "it ends when its inputs have ended, after its last rows", checkEnd}
	drainCheck     = check{"drain", "it ends soon when the host stops", checkDrain}
	restoreCheck   = check{"restore", "a process that begins at a checkpoint gives the rows that the first one would have given", checkRestore}
	killCheck      = check{"kill", "killed in the middle of a batch, it gives the same rows after its checkpoint", checkKill}
	rewindCheck    = check{"rewind", "taken back to a checkpoint, it gives the same rows, under the new generation", checkRewind}
	snapshotCheck  = check{"bad-snapshot", "snapshots that it cannot begin with are refused", checkBadSnapshots}
	framesCheck    = check{"frames", "what means nothing is refused, and it lives on", checkFrames}
	oversizeCheck  = check{"oversize", "large frames do not bring it down", checkOversize}
	pressureCheck  = check{"backpressure", "it stops taking rows where nobody takes its own, and loses none", checkPressure}
	leaksCheck     = check{"leaks", "processes that have ended leave no files and no memory behind", checkLeaks}
	speedCheck     = check{"throughput", "it is not far slower than the rows could come", checkSpeed}
	commitCheck    = check{"commit", "it commits before it answers a barrier", checkCommit}
	truncatesCheck = check{"truncates", "it goes back to checkpoints that it knows, and to no others", checkTruncates}
	keysCheck      = check{"keys", "rows that come again have the keys that they had", checkKeys}
	readCheck      = check{"read", "it reads up to the last block, and marks safe points", checkRead}
	resumeCheck    = check{"restore", "begun at a cursor, it gives the rows that follow it", checkResume}
	rereadCheck    = check{"repeat", "the same blocks give the same rows in another process", checkReread}
	readAskCheck   = check{"barrier", "it answers a barrier at a safe point, with its cursor", checkReadBarrier}
	readKillCheck  = check{"kill", "killed while it reads, it gives the same rows after its checkpoint", checkReadKill}
	readBackCheck  = check{"rewind", "taken back to a cursor, it gives the same rows, under the new generation", checkReadRewind}
	readHoldCheck  = check{"backpressure", "it stops reading where nobody takes its rows, and loses none", checkReadPressure}
)

// ofRegister are the checks of a register, in the order in which they are made:
// what others rest on comes first.
func ofRegister(t remote.ProcessType) []check {
	switch t {
	case remote.Reader:
		return []check{
			settingsCheck, hostileCheck, readCheck, rereadCheck, readAskCheck, idleCheck, probeCheck, drainCheck, resumeCheck, readKillCheck,
			readBackCheck, framesCheck, readHoldCheck, leaksCheck,
		}
	case remote.Loader:
		return []check{
			settingsCheck, hostileCheck, rowsCheck, commitCheck, idleCheck, probeCheck, endCheck, drainCheck, truncatesCheck, keysCheck,
			framesCheck, oversizeCheck, leaksCheck, speedCheck,
		}
	default:
		return []check{
			settingsCheck, hostileCheck, rowsCheck, repeatCheck, safeCheck, barrierCheck, idleCheck, probeCheck, endCheck, drainCheck,
			restoreCheck, killCheck, rewindCheck, snapshotCheck, framesCheck, oversizeCheck, pressureCheck, leaksCheck, speedCheck,
		}
	}
}

// Checks are the names of all checks.
func Checks() (names []string) {
	seen := map[string]bool{}
	all := ofPlugins
	for t := remote.Reader; t <= remote.Loader; t++ {
		all = append(slices.Clip(all), ofRegister(t)...)
	}
	for _, c := range all {
		if !seen[c.name] {
			seen[c.name] = true
			names = append(names, c.name)
		}
	}
	return names
}
