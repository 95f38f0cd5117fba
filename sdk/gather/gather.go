// Package gather says when rows that a loader gathers leave it together: when
// there are enough of them, by number, by size or by age.
//
// A loader embeds Limits in its settings, and asks Full before it adds a row. A
// commit sends whatever there is, so that nothing waits longer than its host does.
package gather

import (
	"errors"
	"fmt"
	"time"
)

// Limits are when a batch is full. A limit of 0 does not limit.
type Limits struct {
	Rows  int           `hcl:"batch,optional" doc:"how many rows are gathered before they leave"`
	Bytes Size          `hcl:"batch_bytes,optional" doc:"how much is gathered before it leaves, such as \"1MiB\"; a larger row goes alone"`
	Every time.Duration `hcl:"flush,optional" doc:"how long rows are gathered while more come; with a commit they leave at once"`
}

// Default are the limits that loaders have unless their settings say otherwise.
func Default() Limits {
	return Limits{Rows: 1000, Bytes: 1 << 20, Every: 250 * time.Millisecond}
}

// Check finds mistakes. most bounds the rows; 0: they need no bound.
func (l Limits) Check(most int) error {
	var errs []error
	switch {
	case l.Rows < 1 && most > 0, l.Rows < 0, most > 0 && l.Rows > most:
		errs = append(errs, fmt.Errorf("batch is %d: write a number from %s", l.Rows, span(most)))
	}
	if l.Every < 0 {
		errs = append(errs, fmt.Errorf("flush is %s: write how long rows wait, such as \"250ms\", or \"0s\" for no limit", l.Every))
	}
	return errors.Join(errs...)
}

func span(most int) string {
	if most > 0 {
		return fmt.Sprintf("1 to %d", most)
	}
	return "1 on, or 0 for no limit"
}

// Batch is what was gathered since the last time it left.
type Batch struct {
	Rows  int
	Bytes int64
	began time.Time // of the first row
}

// Add counts a row of that size in bytes, which came at a time.
func (b *Batch) Add(size int, now time.Time) {
	if b.Rows == 0 {
		b.began = now
	}
	b.Rows++
	b.Bytes += int64(size)
}

// Full tells whether the batch has to leave before another row of that size is
// added. One that is empty never has.
func (l Limits) Full(b Batch, size int, now time.Time) bool {
	switch {
	case b.Rows == 0:
		return false
	case l.Rows > 0 && b.Rows >= l.Rows:
		return true
	case l.Bytes > 0 && b.Bytes+int64(size) > int64(l.Bytes):
		return true
	}
	return l.Every > 0 && now.Sub(b.began) >= l.Every
}
