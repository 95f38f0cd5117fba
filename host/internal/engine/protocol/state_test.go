package protocol

// Bounds of what a state can hold. They are larger than what the protocol ever
// needs in the topologies here; whoever exceeds one is told so as a violation.
const (
	maxBlocks = 3
	maxNodes  = 4
	maxEdges  = 4
	room      = 2 // frames that an edge holds
	maxRows   = 6 // of one input in a store
	maxMarks  = 6
	maxKept   = 6
	maxKeys   = 14
	unknown   = 3 // the branch of a block that a reader does not remember
)

// frame is what lies on an edge: 0 is none. A row says which block it is of,
// which part of it, and on which branch of the chain the block was when the
// reader took it; a row of a join has the branches that both readers saw. tag
// is the author's state that a subscriber works into its rows.
type frame uint16

const (
	kindRow frame = iota + 1
	kindBarrier
	kindEnd
)

func newRow(block, part, a, b, tag uint8) frame {
	return kindRow | frame(block)<<2 | frame(part)<<4 | frame(a)<<5 | frame(b)<<7 | frame(tag)<<9
}

// number counts checkpoints and generations.
type number uint16

func newBarrier(k number) frame    { return kindBarrier | frame(k)<<2 }
func (f frame) kind() frame        { return f & 3 }
func (f frame) checkpoint() number { return number(f >> 2) }
func (f frame) block() uint8       { return uint8(f>>2) & 3 }
func (f frame) part() uint8        { return uint8(f>>4) & 1 }
func (f frame) branch() uint8      { return uint8(f>>5) & 3 }
func (f frame) otherBranch() uint8 { return uint8(f>>7) & 3 }
func (f frame) tag() uint8         { return uint8(f>>9) & 63 }

// state is everything there is at one moment. It has no pointers and no
// padding, so that two states are the same if their bytes are.
type state struct {
	chain   chain
	host    host
	procs   [maxNodes]proc
	edges   [maxEdges][room]frame
	loaders [2]loader
	stores  [2]store
	ghosts  [2]ghost

	faults      uint8 // crashes that are still to come at most
	reorgs      uint8 // and reorganisations
	checkpoints uint8 // and checkpoints, but for the closing ones
	broken      breach
}

// chain is the world outside: the branch that each block is on, how far it is
// final, and after which blocks the reorganisations began (+1; 0: none yet).
type chain struct {
	branch [maxBlocks + 1]uint8
	final  uint8
	forks  [2]uint8
	count  uint8 // reorganisations so far
}

// cursor is a reader's place: a block and, as its hash, the branch it is on.
type cursor struct{ block, branch uint8 }

// record is a checkpoint as the host keeps it.
type record struct {
	snapshots [2]uint16
	cursors   [2]cursor
	k         number
	seq       [2]uint8 // rows of each input of the loader that cannot truncate
}

// host is the host's memory, which a crash of it clears, and its record store.
type host struct {
	pending record // under way; k 0: none

	kept [maxKept]record // durable, oldest first
	gen  number          // durable
	last number          // durable: the newest number that was ever recorded

	nkept  uint8
	forks  uint8 // durable
	up     uint8
	opened uint8 // processes that are open, the last of the topology first
	// answered has a bit for each process that has answered the barrier.
	answered uint8
	closing  uint8 // all readers have ended: the last barrier is on its way, then their ends
}

type life uint8

const (
	closed life = iota
	live
	ended
	gone // a reader that has ended, and its end is on the edges
	dead // and the host does not know yet
)

// proc is the memory of a process, and what the host holds for it.
type proc struct {
	state uint16 // of a subscriber or a join
	out   frame  // being handed to consumers, of which outTo still wait
	seen  number // where inputs are not aligned: the newest barrier
	outTo uint8
	life  life
	held  uint8 // inputs that brought the barrier
	over  uint8 // inputs that ended
	read  reader
}

// reader remembers the branch of each block that it has emitted since it was
// opened, and of the one it was opened at.
type reader struct {
	known [maxBlocks + 1]uint8
	pos   uint8 // the newest complete block
	part  uint8 // rows of the next one that are out
	from  uint8
	fork  uint8 // what it has reported, +1; 0: nothing
}

// loader is the memory of a loader. Rows wait in buf until they are committed;
// a loader that cannot truncate hands each row on at once.
type loader struct {
	buf     [2][maxRows]frame
	barrier number   // was told to commit it
	marked  number   // has committed it and not yet answered
	hold    number   // is told nothing more before it is recorded
	k       number   // the checkpoint that its rows follow
	seq     [2]uint8 // rows of each input so far
}

// mark is a checkpoint in a loader's store: how many rows each input had.
type mark struct {
	k    number
	rows [2]uint8
}

// store is what a loader has made durable.
type store struct {
	keys  [maxKeys]uint32 // what was handed on by one that cannot truncate, ascending
	rows  [2][maxRows]frame
	marks [maxMarks]mark
	gen   number
	tail  number // generation of the oldest row after the last mark; 0: none
}

// ghost is a loader that has outlived its host, or a transaction that has
// outlived its loader: it may still commit once.
type ghost struct {
	key     uint32
	buf     [2][maxRows]frame
	gen     number
	barrier number
}

// breach is a promise that one step has broken.
type breach uint8

const (
	sound breach = iota
	unknownMark
	nowhere
	keyReused
	keyChanged
	marksDisordered
	endless
	tooMuch
)

var breaches = [...]string{
	unknownMark:     "a loader is opened at a checkpoint that its store does not know",
	nowhere:         "no checkpoint is left to go back to",
	keyReused:       "one key names two different rows",
	keyChanged:      "one row was handed on under two keys though the chain has not forked",
	marksDisordered: "a store got a mark that is not newer than its last one",
	endless:         "there were more generations than faults and reorganisations can explain",
	tooMuch:         "a store or a queue holds more than any run can produce",
}

// count is how many frames a list holds.
func count(frames []frame) uint8 {
	for i, f := range frames {
		if f == 0 {
			return uint8(i)
		}
	}
	return uint8(len(frames))
}

// newest is the checkpoint that a crash goes back to.
func (h *host) newest() *record { return &h.kept[max(h.nkept, 1)-1] }

// onBranch gives the branches of the blocks as they were after n reorganisations.
func (c *chain) onBranch(n uint8) (branch [maxBlocks + 1]uint8) {
	for i := range n {
		for b := c.forks[i]; b <= maxBlocks; b++ { // forks holds the block + 1
			branch[b] = i + 1
		}
	}
	return branch
}
