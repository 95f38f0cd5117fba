package fetch

import "sync"

const (
	// dense is how many chosen logs a block has on average where its receipts may be the cheaper way to them, and largest how much of a
	// block's logs they are. Below half of either it is given up again.
	dense   = 16
	largest = 0.5
	// resample is how many ranges are read before the share is measured again.
	resample = 64
)

// density decides how final logs are read: by ranges of blocks, or out of the receipts of every block. Receipts carry what is not wanted
// too, but they are one cheap question each, they are proven by their root, and no limit of logs or blocks applies to them.
type density struct {
	mu       sync.Mutex // protects the fields below
	receipts bool       // the way that is taken
	never    bool       // there are no receipts to be had
	matched  float64    // chosen logs in a block
	share    float64    // of all logs of a block
	measured bool       // the share is known
	since    int        // ranges since it was
}

func (d *density) byReceipts() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.receipts && !d.never
}

// given reports whether it was given up to read receipts.
func (d *density) given() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.never
}

// forget begins anew: other logs are wanted.
func (d *density) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.receipts, d.matched, d.share, d.measured, d.since = false, 0, 0, false, 0
}

// giveUp goes by ranges from now on.
func (d *density) giveUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.never = true
}

// ranged notes what a range had. It reports whether to measure the share of the chosen logs.
func (d *density) ranged(blocks uint64, logs int, all bool) (measure bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	approach(&d.matched, float64(logs)/float64(blocks))
	if all {
		d.share, d.measured = 1, true
	}
	d.since++
	d.weigh()
	return !d.never && !all && d.matched >= dense && (!d.measured || d.since >= resample)
}

// proven notes what the receipts of blocks had.
func (d *density) proven(blocks uint64, logs, of int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	approach(&d.matched, float64(logs)/float64(blocks))
	if of > 0 {
		share := float64(logs) / float64(of)
		if !d.measured {
			d.share = share
		}
		approach(&d.share, share)
		d.measured, d.since = true, 0
	}
	d.weigh()
}

func (d *density) weigh() {
	switch {
	case d.matched >= dense && d.measured && d.share >= largest:
		d.receipts = true
	case d.matched < dense/2 || d.share < largest/2:
		d.receipts = false
	}
}

// approach moves a mean towards a value: what was a few spans ago hardly counts.
func approach(mean *float64, value float64) { *mean += (value - *mean) * 0.3 }

// crowd is how many blocks may have a chosen log by their bloom, lately.
type crowd struct {
	mu    sync.Mutex // protects share
	share float64
}

// most reports whether nearly every block may: then their receipts are asked for along with them.
func (c *crowd) most() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.share > 0.8
}

func (c *crowd) saw(may, of int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	approach(&c.share, float64(may)/float64(of))
}
