package config

import (
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Recovery says how a pipeline keeps its promises. A zero value was not set.
type Recovery struct {
	Checkpoint Checkpoint
	Poison     Poison
	// HangAfter is how long a step may make no progress while nothing keeps it
	// from making some.
	HangAfter time.Duration
	// WaitAtMost is how long a step may say that it waits for something outside of
	// it, such as a database that is away.
	WaitAtMost time.Duration
}

// Checkpoint says how checkpoints are taken.
type Checkpoint struct {
	Every    time.Duration // over history
	Timeout  time.Duration // how long a step may owe its part of one
	MaxState uint64        // bytes of a step's snapshot
}

// Poison says what is done about rows that a step cannot use.
type Poison struct {
	Attempts uint64  // how often a row must break a step before it is left out
	MaxShare float64 // of all rows, from 0 to 1
}

// recovery reads what a pipeline says about checkpoints, poison and hanging.
func (p *pipeline) recovery(body *hclsyntax.Body) {
	e := p.eval
	p.Recovery.HangAfter = e.duration(body, "hang_after")
	p.Recovery.WaitAtMost = e.duration(body, "wait_at_most")
	if block := child(body, "checkpoint"); block != nil {
		e.labels(block)
		e.shape(block.Body, shape{what: "a checkpoint block", at: block.DefRange(), attributes: []string{"every", "timeout", "max_state"}})
		p.Recovery.Checkpoint = Checkpoint{
			Every: e.duration(block.Body, "every"), Timeout: e.duration(block.Body, "timeout"),
			MaxState: parsed(e, block.Body, "max_state", "a size, such as 64MiB", ParseSize),
		}
	}
	block := child(body, "poison")
	if block == nil {
		return
	}
	e.labels(block)
	e.shape(block.Body, shape{what: "a poison block", at: block.DefRange(), attributes: []string{"attempts", "max_share"}})
	attempts, given := e.number(block.Body, "attempts")
	if at := rangeOf(block.Body, "attempts"); given && attempts < 2 {
		e.errorf(&at, "Wrong value", "attempts is how often a row must break a step before it is left out, and must be at least 2.")
	}
	p.Recovery.Poison.Attempts = attempts
	p.Recovery.Poison.MaxShare = parsed(e, block.Body, "max_share", "a share of all rows between 0 and 1, such as 0.01", func(text string) (float64, error) {
		share, err := strconv.ParseFloat(text, 64)
		if err == nil && (share <= 0 || share > 1) {
			err = strconv.ErrRange
		}
		return share, err
	})
}
