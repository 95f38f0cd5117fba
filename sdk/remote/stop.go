package remote

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// stopGrace is how long a plugin may take to end when the context of Stop
	// has no deadline. go-plugin itself kills after two seconds.
	stopGrace = 5 * time.Second
	// reapGrace is how long the end of a killed process may take.
	reapGrace = 5 * time.Second
)

// ErrKilled is what Stop returns where the plugin had to be killed.
var ErrKilled = errors.New("it did not end when it was asked to, and was killed")

// ErrUnread is what Stop returns where the host's log or Config.Stdout has
// blocked and does not take the plugin's last lines. The process is gone.
var ErrUnread = errors.New("its last output cannot be written: whoever reads the host's output has stopped reading")

// Stop asks the plugin to end, kills it with everything it started when ctx ends
// or it takes more than two seconds, and returns when the process, its socket
// directory and the connection are gone. Streams that are still open break: end
// them first. It may be called at any time and more than once; every call
// returns the same.
func (p *Plugin) Stop(ctx context.Context) error {
	p.begin()
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case <-p.stopped:
		return p.stopErr
	case <-ctx.Done():
	case <-timer.C:
	}
	p.body.kill()
	return p.await()
}

// Kill ends the plugin at once, with everything it started, and returns when
// nothing is left.
func (p *Plugin) Kill() {
	p.body.kill()
	p.begin()
	_ = p.await() // a kill is what was asked for
}

// begin begins the end, once.
func (p *Plugin) begin() {
	p.stopping.Do(func() {
		asked := p.body.wanted()
		go func() {
			defer close(p.stopped)
			if err := p.body.finish(asked); err != nil {
				p.stopErr = fmt.Errorf("stop plugin %s: %w", p.Name(), err)
			}
			if p.unserve != nil {
				p.unserve()
				p.serving.Wait()
			}
		}()
	})
}

// await waits for the end of a plugin that was killed.
func (p *Plugin) await() error {
	timer := time.NewTimer(reapGrace)
	defer timer.Stop()
	select {
	case <-p.stopped:
		return p.stopErr
	case <-timer.C:
		return fmt.Errorf("stop plugin %s: process %d was killed and is not gone after %s", p.Name(), p.PID(), reapGrace)
	}
}
