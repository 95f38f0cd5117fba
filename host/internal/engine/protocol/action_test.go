package protocol

import "fmt"

// act is what happens in one step.
type act uint8

const (
	finalise act = iota
	reorganise
	ghostCommits
	ghostFades
	hostStarts
	hostOpens
	hostRewinds
	hostBeginsAgain
	hostAsks
	hostCloses
	hostRecords
	hostPrunes
	hostAnswersFor
	hostEnds
	readerEmits
	readerAnswers
	readerReports
	readerEnds
	takesRow
	takesBarrier
	takesEnd
	flushes
	commits
	marks
	answers
	forgets
	crashes // from here on: faults
	hostCrashes
)

// action is one step: what, who, and which of several ways.
type action struct {
	act      act
	who, way uint8
}

func (a action) fault() bool { return a.act >= crashes || a.act == reorganise }

// describe says what a step was, given the state before it and after.
func (m *model) describe(a action, before, after *state) string {
	who := m.nodes[min(int(a.who), len(m.nodes)-1)].name
	h := &after.host
	switch a.act {
	case finalise:
		return fmt.Sprintf("block %d becomes final", after.chain.final)
	case reorganise:
		return fmt.Sprintf("the chain is reorganised after block %d: branch %d", a.way, after.chain.count)
	case hostStarts:
		return fmt.Sprintf("the host starts, generation %d, at checkpoint %d", h.gen, h.newest().k)
	case hostRewinds:
		return fmt.Sprintf("the host hears of the fork after block %d and goes back to checkpoint %d, generation %d, forks %d",
			before.procs[a.who].read.fork-1, h.newest().k, h.gen, h.forks)
	case hostBeginsAgain:
		return fmt.Sprintf("the host sees that %s has died and begins again at checkpoint %d, generation %d", who, h.newest().k, h.gen)
	case hostAsks:
		return fmt.Sprintf("the host asks for checkpoint %d", h.pending.k)
	case hostRecords:
		return fmt.Sprintf("the host records checkpoint %d, readers at %v", h.last, h.newest().cursors[:m.readers])
	case hostPrunes:
		return fmt.Sprintf("the host prunes: the oldest checkpoint is %d", h.kept[0].k)
	case readerEmits:
		r := &after.procs[a.who].read
		return fmt.Sprintf("%s emits rows of block %d: complete up to %d, on branches %v", who, max(r.pos, before.procs[a.who].read.pos+1), r.pos, r.known[1:])
	case readerReports:
		return fmt.Sprintf("%s reports that the chain has forked after block %d", who, a.way)
	case hostCloses:
		return fmt.Sprintf("all readers have ended: the host closes with checkpoint %d", h.pending.k)
	case hostCrashes:
		return "the host crashes" + [...]string{"", ", but not yet its loaders"}[a.way]
	case takesRow:
		return fmt.Sprintf("%s takes a row of input %d: %s", who, a.way, before.edges[m.nodes[a.who].in[a.way]][0])
	default:
		return fmt.Sprintf(acts[a.act], who)
	}
}

var acts = [...]string{
	ghostCommits: "what is left of a dead %s tries to commit", ghostFades: "what is left of a dead %s is gone",
	hostOpens:      "the host opens %s",
	hostAnswersFor: "the host answers the barrier for %s, which has ended", hostEnds: "the host puts the end of %s on the edges",
	readerAnswers: "%s answers the barrier", readerEnds: "%s ends",
	takesBarrier: "%s gets a barrier", takesEnd: "%s gets an end", flushes: "%s flushes", commits: "%s commits rows",
	marks: "%s commits the checkpoint", answers: "the host hears that %s has committed the checkpoint",
	forgets: "%s is told what is final", crashes: "%s crashes",
}

func (f frame) String() string {
	switch f.kind() {
	case kindRow:
		return fmt.Sprintf("%d.%d on branch %d/%d, state %d", f.block(), f.part(), f.branch(), f.otherBranch(), f.tag())
	case kindBarrier:
		return fmt.Sprintf("barrier %d", f.checkpoint())
	case kindEnd:
		return "end"
	}
	return "none"
}
