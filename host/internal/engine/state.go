package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
)

// PathState is where a path stands in its life.
type PathState string

// The states of a path.
const (
	PathInactive PathState = "inactive" // its host has not started it, or stops
	PathBackfill PathState = "backfill" // reads history
	PathLive     PathState = "live"     // follows the head
	PathPaused   PathState = "paused"   // stopped at a checkpoint; goes on from there
	PathStopped  PathState = "stopped"  // ended, or was asked to; starts anew
	PathError    PathState = "error"    // gave up; can be resumed
)

// ProcessState is where a process stands in its life.
type ProcessState string

// The states of a process.
const (
	ProcessInactive   ProcessState = "inactive"
	ProcessLive       ProcessState = "live"
	ProcessCrashed    ProcessState = "crashed"
	ProcessTerminated ProcessState = "terminated"
)

// moves are the legal ones; everything else is a mistake of the engine.
var moves = map[PathState][]PathState{
	PathInactive: {PathBackfill, PathPaused},
	PathBackfill: {PathLive, PathPaused, PathStopped, PathError, PathInactive},
	PathLive:     {PathBackfill, PathPaused, PathStopped, PathError, PathInactive},
	PathPaused:   {PathBackfill, PathStopped, PathInactive},
	PathError:    {PathBackfill, PathStopped},
	PathStopped:  {PathBackfill},
}

// move checks a transition.
func (s PathState) move(to PathState) error {
	if !slices.Contains(moves[s], to) {
		return fmt.Errorf("a path that is %s cannot become %s", s, to)
	}
	return nil
}

// EventKind tells what an event is about.
type EventKind string

// The kinds of events.
const (
	EventState  EventKind = "state"  // a path or a process has changed its state
	EventSwap   EventKind = "swap"   // a swap of a plugin has come to a phase
	EventConfig EventKind = "config" // a configuration has been applied, or not
)

// Event is one thing that has happened, with its cause.
type Event struct {
	Time     time.Time `json:"time"`
	Kind     EventKind `json:"kind"`             // "": EventState
	Plugin   string    `json:"plugin,omitempty"` // of a swap
	Swap     uint64    `json:"swap,omitempty"`   // its number
	Pipeline string    `json:"pipeline"`
	Step     string    `json:"step,omitempty"` // "": the path as a whole
	From     string    `json:"from"`
	To       string    `json:"to"`
	Cause    string    `json:"cause,omitempty"`
}

func (ev Event) log(logger hclog.Logger) {
	level := hclog.Info
	switch {
	case ev.To == string(SwapRefused), ev.To == string(SwapRolledBack):
		level = hclog.Warn
	case ev.Kind == EventSwap:
	case ev.To == string(PathError):
		level = hclog.Error
	case ev.To == string(ProcessCrashed):
		level = hclog.Warn
	case ev.Step != "":
		level = hclog.Debug
	}
	args := []any{"pipeline", ev.Pipeline, "from", ev.From, "to", ev.To}
	if ev.Step != "" {
		args = append(args, "step", ev.Step)
	}
	if ev.Cause != "" {
		args = append(args, "cause", ev.Cause)
	}
	what := "path changed state"
	switch {
	case ev.Kind == EventSwap:
		what = "swap of a plugin"
		args = append(args, "plugin", ev.Plugin, "swap", ev.Swap)
	case ev.Step != "":
		what = "process changed state"
	}
	logger.Log(level, what, args...)
}
