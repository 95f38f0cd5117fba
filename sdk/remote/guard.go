package remote

import (
	"fmt"
	"time"
)

// guardEvery is how often a plugin with limits is looked at where the kernel does
// not enforce them.
const guardEvery = 100 * time.Millisecond

// guard kills a plugin, with all it has started, that uses more memory or has more
// processes than it may, until the plugin is gone. What grows faster than it looks
// is seen a little late.
func (c *child) guard(p *process) {
	limits := c.config.Limits
	memory := limits.Memory > 0 && !p.confined.bounds("memory")
	if !memory && limits.Processes == 0 {
		return
	}
	ticker := time.NewTicker(guardEvery)
	defer ticker.Stop()
	for {
		select {
		case <-p.gone:
			return
		case <-ticker.C:
		}
		used, processes := p.confined.usage(p.id)
		switch {
		case memory && used > limits.Memory:
			c.exceed(p, fmt.Sprintf("it used %s, more than its limit of %s (limits.memory)", sizeText(used), sizeText(limits.Memory)))
		case limits.Processes > 0 && processes > limits.Processes:
			c.exceed(p, fmt.Sprintf("it had %d processes, more than its limit of %d (limits.processes)", processes, limits.Processes))
		}
	}
}

// exceed kills a plugin and remembers what for.
func (c *child) exceed(p *process, why string) {
	c.mu.Lock()
	c.exceeded = why
	c.mu.Unlock()
	p.kill()
}

// overrun is the limit that a plugin which is gone was killed for, by the kernel
// or the host; "" if it was for none.
func (c *child) overrun() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exceeded == "" && c.process.confined.wasStarved() {
		return fmt.Sprintf("it used more than its limit of %s (limits.memory)", sizeText(c.config.Limits.Memory))
	}
	return c.exceeded
}
