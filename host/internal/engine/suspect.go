package engine

import (
	"cmp"
	"errors"
	"time"

	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/sdk/remote"
)

// A row that breaks a process again and again is found in steps, each of which
// costs one restart:
//
//  1. counted: the process died, and these rows were the ones that it had been
//     given and was not through with. Twice in a row, the rows that were there
//     both times are suspect.
//  2. narrowed: suspect rows are given out in small portions, the next only when
//     the process says that it is through. The portion that it dies of is
//     suspect now, down to a single row. A process that names the row itself
//     saves that.
//  3. on trial: the row is left out. If the one after it breaks the process too, it
//     is left out as well, up to a few in a row: after that it is not the rows,
//     nothing is left out, and the restart budget decides.
//  4. once more: the process could do with the row after them, so it is given them
//     again. If they break it still, they go to the dead letters. If not, whatever
//     it was is over.
//
// No checkpoint is taken while a row is on trial.

// inARow is how many rows in a row may be on trial together.
const inARow = 8

// suspicion is what is held against rows of one process.
type suspicion struct {
	rows     []span
	attempts int // generations that these rows have broken
	stage    stage
	left     [][]byte // the rows, once they were on trial
	cause    error
	first    time.Time
}

// stage is how far the search for a bad row has come.
type stage uint8

const (
	narrowing stage = iota // rows are counted and narrowed down
	onTrial                // the rows are left out
	onceMore               // the rows are given out again
)

// errOnceMore ends a generation in which rows were on trial.
var errOnceMore = errors.New("rows that broke a process are tried once more")

// blame looks for rows that may have broken a process. progress tells that the
// search has come closer, which costs no restart of the budget. The error is final.
func (d *domain) blame(cause error) (progress bool, err error) {
	at := (*stepError)(nil)
	if errors.Is(cause, errOnceMore) {
		return true, nil
	}
	if !errors.As(cause, &at) {
		return false, nil
	}
	p := d.find(at.step)
	if p == nil || p.is(registry.Reader) || p.flight == nil || p.spec().Step.After == "final" || !ofRows(cause) {
		return false, nil
	}
	rows := p.flight.open()
	failure := (*remote.Failure)(nil)
	if errors.As(cause, &failure) && failure.Located {
		if row, letter, ok := p.flight.row(failure.Sequence, failure.Row); ok && letter == "" {
			rows = []span{row}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	progress = p.suspect(rows, cause, d.settings().Poison.Attempts)
	if s := p.suspicion; s != nil && s.stage == onceMore {
		p.suspicion = nil
		err = cmp.Or(d.convict(p, s), p.tooMuchPoison())
	}
	return progress, err
}

// comesCloser notes that the search for a bad row has: what it cost is none of
// the budget.
func (d *domain) comesCloser(cause error) {
	d.mu.Lock()
	d.failures = nil
	d.mu.Unlock()
	d.cfg.Logger.Debug("the search for a row that breaks a step has come closer", "pipeline", d.name, "step", stepOf(cause), "cause", withoutStep(cause))
}

// ofRows tells whether rows could be behind a failure.
func ofRows(cause error) bool {
	failure, exit, hang := (*remote.Failure)(nil), (*remote.Exit)(nil), (*hangError)(nil)
	if errors.As(cause, &failure) {
		return failure.Class == remote.ClassRetry || failure.Class == remote.ClassPoison
	}
	return errors.As(cause, &exit) || errors.As(cause, &hang)
}

// suspect adds a failure to what is held against a process's rows.
func (p *process) suspect(rows []span, cause error, attempts int) (progress bool) {
	s := p.suspicion
	switch {
	case len(rows) == 0:
		p.suspicion = nil
		return false
	case s != nil && s.stage == onceMore:
		if len(common(s.rows, rows)) > 0 {
			s.attempts++
			return true
		}
		p.suspicion = nil
		return false
	case s != nil && s.stage == onTrial:
		if total(rows) == 1 && rows[0].input == s.rows[0].input && rows[0].from == s.rows[0].to && s.rows[0].rows() < inARow {
			s.rows[0].to++
			return true
		}
		// Rows were left out and it broke all the same: it was not the rows.
		p.log.Warn("leaving rows out did not help: the failure is not of their making", "rows", total(s.rows), "cause", cause)
		p.suspicion, p.acquitted = nil, true
		return false
	case p.acquitted:
		return false
	}
	var shared []span
	if s != nil {
		shared = common(s.rows, rows)
	}
	if len(shared) == 0 {
		p.suspicion = &suspicion{rows: rows, attempts: 1, cause: cause, first: time.Now()}
		return false
	}
	narrower := total(shared) <= total(s.rows)/2
	s.rows, s.cause = shared, cause
	s.attempts++
	if s.attempts >= attempts && total(shared) == 1 {
		s.stage = onTrial
		p.log.Warn("one row breaks the process again and again: it is left out on trial", "row", shared[0].from, "attempts", s.attempts, "cause", cause)
		return true
	}
	return narrower
}

// isOnTrial tells whether a row is left out that nobody is sure about yet.
func (d *domain) isOnTrial() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.processes {
		if p.suspicion != nil && p.suspicion.stage == onTrial {
			return true
		}
	}
	return false
}

func (d *domain) find(step string) *process {
	for _, p := range d.processes {
		if p.spec().Step.Name == step {
			return p
		}
	}
	return nil
}

// convict puts rows into the dead letters that were given out once more and
// broke the process still.
func (d *domain) convict(p *process, s *suspicion) error {
	for i, row := range s.left {
		one := span{input: s.rows[0].input, from: s.rows[0].from + uint64(i), to: s.rows[0].from + uint64(i) + 1}
		if err := d.bury(p, one, row, s.cause, s.attempts, s.first); err != nil {
			return err
		}
		p.poisoned.Add(1)
		if err := d.condemn(p, one, row); err != nil {
			return err
		}
	}
	return nil
}

// survived notes that a process is through with the row after those on trial,
// which were left out.
func (p *process) survived(left [][]byte) error {
	p.domain.mu.Lock()
	defer p.domain.mu.Unlock()
	if p.suspicion == nil || p.suspicion.stage != onTrial {
		return nil
	}
	p.suspicion.stage, p.suspicion.left = onceMore, left
	return errOnceMore
}

// cleared notes that a process is through with rows that had broken it.
func (p *process) cleared() {
	p.domain.mu.Lock()
	defer p.domain.mu.Unlock()
	if p.suspicion != nil && p.suspicion.stage == onceMore {
		p.log.Info("rows that broke the process do so no more: nothing is left out", "rows", total(p.suspicion.rows))
		p.suspicion = nil
	}
}

func (d *domain) named(process string) *process {
	for _, p := range d.processes {
		if p.spec().Name() == process {
			return p
		}
	}
	return nil
}
