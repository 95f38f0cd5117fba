package change

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/penstock-io/penstock/host/internal/catalog"
	"github.com/penstock-io/penstock/host/internal/engine"
	"github.com/penstock-io/penstock/host/internal/graph"
	"github.com/penstock-io/penstock/sdk/remote"
)

// Attachment is a plugin that a person runs by hand, for instance in a debugger,
// and the steps that it is to take over. Plugin, Address, PID and Protocol are
// required.
type Attachment struct {
	Plugin     string   // the name that it has in what runs
	Steps      []string // only these, as pipeline/step or by a name that is unique; nil: all of the plugin
	Address    string   // the socket where it listens
	PID        int
	Protocol   uint32
	SDKVersion string
	// Progress is told of every phase, and Attached once, when rows flow through the
	// plugin. Neither must block. nil: nobody listens.
	Progress func(engine.Event)
	Attached func([]AttachedStep)
}

// AttachedStep is a step that an attached plugin has taken over.
type AttachedStep struct {
	Step       string // pipeline/step
	Checkpoint uint64 // where what ran before goes on
	Block      *uint64
}

// attachTimeout bounds what comes before the cut. It is long because a person may
// step through what the plugin is asked there.
const attachTimeout = time.Hour

// Attach lets a plugin that runs already take the place of steps, as a swap does,
// but without deadlines and probation. It returns when that is over and what ran
// before runs again: nil when ctx has ended, which ends the attachment, an error
// when the plugin is gone or has failed, or was never attached, which leaves
// everything as it was. The plugin runs as its person has started it, outside of
// any sandbox.
func (c *Changes) Attach(ctx context.Context, r Attachment) error {
	at := &attachment{changes: c, request: r, ended: make(chan struct{}), put: make(chan struct{})}
	if err := at.begin(ctx); err != nil {
		return err
	}
	defer c.detached(at)
	if r.Attached != nil {
		r.Attached(at.steps())
	}
	select {
	case <-ctx.Done():
		at.leave()
		at.awaitBack()
		return nil
	case <-c.over:
		at.end(errEnding)
	case <-at.ended:
		at.awaitBack()
	}
	return fmt.Errorf("the attachment of plugin %s is over: %w", r.Plugin, at.why())
}

var errLeft = errors.New("its person has ended it")

// attachment is a plugin that was attached, or is about to be.
type attachment struct {
	changes *Changes
	request Attachment
	targets []*graph.Process

	mu       sync.Mutex
	guests   []*remote.Plugin // those that the engine was given
	watching sync.WaitGroup   // a goroutine for each of them
	over     error            // why no more are given
	ended    chan struct{}    // closed when over is set
	back     int              // steps that run again what they ran before
	put      chan struct{}    // closed when all do
}

// begin does what a swap does up to the cut.
func (at *attachment) begin(ctx context.Context) error {
	c, r := at.changes, at.request
	waiting, cancel := context.WithTimeout(ctx, usualTimeout)
	defer cancel()
	done, err := c.begin(waiting, "the attachment of plugin "+r.Plugin)
	if err != nil {
		return err
	}
	defer done()
	now := c.running()
	if at.targets, err = stepsOf(now.graph, r.Plugin, r.Steps); err != nil {
		return err
	}
	if err := c.free(at.targets); err != nil {
		return err
	}
	a, err := c.attempt(now, SwapRequest{Plugin: r.Plugin, Progress: r.Progress})
	if err != nil {
		return err
	}
	fresh, err := at.fits(ctx, a)
	if err == nil {
		c.attached(at)
		if err = at.exchange(ctx, a, fresh); err != nil {
			at.end(err)
			c.detached(at)
		}
	}
	if err == nil {
		return nil
	}
	a.mu.Lock()
	told := a.isOver
	a.mu.Unlock()
	if !told {
		a.phase(engine.SwapRefused, because(err))
	}
	return &attachError{a.explained(ctx, err)}
}

// attachError tells that a plugin was not attached.
type attachError struct{ cause error }

func (e *attachError) Error() string {
	return fmt.Sprintf("the plugin was not attached, and what runs goes on as it was: %s", because(e.cause))
}

func (e *attachError) Unwrap() error { return e.cause }

// fits finds out whether the plugin can take the places of the steps, and what
// they are with it.
func (at *attachment) fits(ctx context.Context, a *attempt) (map[string]*graph.Process, error) {
	r := at.request
	plugin, err := at.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer plugin.Kill() // which only hangs up
	said := catalog.Description{Name: r.Plugin}
	if said.Description, err = plugin.Describe(ctx); err != nil {
		return nil, err
	}
	a.phase(engine.SwapDescribed, fmt.Sprintf("%s %s of process %d, SDK %s", r.Plugin, said.Version, r.PID, said.SDKVersion))
	if err := offers(said, r.Plugin, at.targets, a.now.project.Registry); err != nil {
		return nil, err
	}
	next, err := fit(a.now, at.changes.cfg.Store, catalog.Registers(said))
	if err != nil {
		return nil, err
	}
	if err := canGoBack(byName(a.now.graph), byName(next.graph), at.targets); err != nil {
		return nil, err
	}
	as, fresh, swapped := byName(a.now.graph), byName(next.graph), make(map[string]bool)
	var steps []*graph.Process
	for _, p := range at.targets {
		with := *fresh[p.Name()]
		step := *with.Step // which mix changes in one of the graphs
		with.Step = &step
		as[p.Name()], swapped[p.Name()] = &with, true
		steps = append(steps, &with)
	}
	wrong, err := configure(ctx, plugin, steps)
	if err == nil {
		err = mistakes(a.now.project.File, wrong)
	}
	if err == nil {
		err = mix(next.graph, as, swapped, a.now.project.File)
	}
	if err == nil {
		a.phase(engine.SwapValidated, fmt.Sprintf("%s; it runs outside of the sandbox, and without deadlines", plural(len(steps), "step")))
	}
	return fresh, err
}

// canGoBack checks that what runs now can go on from the snapshots of what is to
// be attached: nothing else is there when that has ended.
func canGoBack(before, after map[string]*graph.Process, steps []*graph.Process) error {
	for _, p := range steps {
		name := p.Name()
		writes := max(after[name].Register.Snapshot, 1)
		newest := max(before[name].Register.Snapshot, 1)
		oldest := cmp.Or(before[name].Register.OldestSnapshot, newest)
		if writes < oldest || writes > newest {
			return fmt.Errorf("its snapshots of step %s would have version %d, and what runs now, which writes version %d, could not go on from them when it is put back: swap to the new version first",
				name, writes, newest)
		}
	}
	return nil
}

// exchange has the engine give the plugin the places of the steps.
func (at *attachment) exchange(ctx context.Context, a *attempt, fresh map[string]*graph.Process) error {
	s := engine.Swap{Number: a.record.Number, Plugin: at.request.Plugin, Timeout: attachTimeout, Tell: a.hear}
	for _, p := range at.targets {
		s.Replacements = append(s.Replacements, engine.Replacement{Spec: fresh[p.Name()], Launch: at.launch, Attached: true, Detached: at.putBack})
	}
	return at.changes.cfg.Engine.Swap(ctx, s)
}

func (at *attachment) connect(ctx context.Context) (*remote.Plugin, error) {
	r := at.request
	return remote.Attach(ctx, remote.AttachConfig{
		Name: r.Plugin, Address: r.Address, PID: r.PID, Protocol: r.Protocol,
		Logger: at.changes.cfg.Logger, HostVersion: at.changes.cfg.Options.Version,
		Secrets: at.changes.running().project.Model.Secrets, Services: at.changes.cfg.Services,
	})
}

// launch connects to the plugin once more, for as long as the attachment lasts.
func (at *attachment) launch(ctx context.Context) (*remote.Plugin, error) {
	if err := at.why(); err != nil {
		return nil, err
	}
	plugin, err := at.connect(ctx)
	if err != nil {
		return nil, err
	}
	at.mu.Lock()
	over := at.over
	if over == nil {
		at.guests = append(at.guests, plugin)
		at.watching.Go(func() { at.watch(plugin) })
	}
	at.mu.Unlock()
	if over != nil {
		plugin.Kill()
		return nil, over
	}
	return plugin, nil
}

// watch ends the attachment when the plugin is gone, other than by the host's own
// doing.
func (at *attachment) watch(plugin *remote.Plugin) {
	<-plugin.Done()
	if exit := plugin.Exit(); !exit.Requested {
		at.end(exit)
	}
}

// leavePatience is how long a plugin whose person has ended the attachment may
// take to hang up by itself.
const leavePatience = time.Second

// leave ends the attachment after its person has.
func (at *attachment) leave() {
	timer := time.NewTimer(leavePatience)
	defer timer.Stop()
	select {
	case <-at.ended:
	case <-timer.C:
		at.end(errLeft)
	}
}

// end ends the attachment: the plugin is hung up on, and what ran before is put
// back by the engine, which sees that its process is gone.
func (at *attachment) end(why error) {
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.over != nil {
		return
	}
	at.over = why
	close(at.ended)
	for _, plugin := range at.guests {
		plugin.Kill()
	}
}

// putBack is told by the engine that a step runs again what it ran before: the
// others are to do the same.
func (at *attachment) putBack(why string) {
	at.mu.Lock()
	if at.back++; at.back == len(at.targets) {
		close(at.put)
	}
	at.mu.Unlock()
	at.end(errors.New(why))
}

// backPatience is how long the engine may take to put back what ran before.
const backPatience = 10 * time.Second

// awaitBack waits until all steps run again what they ran before, but not for
// ever: a path that rests does so when it is resumed.
func (at *attachment) awaitBack() {
	timer := time.NewTimer(backPatience)
	defer timer.Stop()
	select {
	case <-at.put:
	case <-timer.C:
	}
}

func (at *attachment) why() error {
	at.mu.Lock()
	defer at.mu.Unlock()
	return at.over
}

// steps are those that were taken over, and where.
func (at *attachment) steps() []AttachedStep {
	var out []AttachedStep
	paths := at.changes.cfg.Engine.Status()
	for _, p := range at.targets {
		step := AttachedStep{Step: p.Name()}
		for _, path := range paths {
			for _, process := range path.Processes {
				if path.Pipeline+"/"+process.Step == p.Name() && path.Checkpoint != nil {
					step.Checkpoint, step.Block = path.Checkpoint.Number, path.Checkpoint.Block
				}
			}
		}
		out = append(out, step)
	}
	return out
}

// attachments are the plugins that are attached, by the names of the steps that
// they have taken over.
type attachments struct {
	mu sync.Mutex
	of map[string]*attachment
}

// free checks that nobody runs a step by hand.
func (c *Changes) free(steps []*graph.Process) error {
	c.byHand.mu.Lock()
	defer c.byHand.mu.Unlock()
	for _, p := range steps {
		if at := c.byHand.of[p.Name()]; at != nil {
			return fmt.Errorf("process %d is attached to step %s: end that first (Ctrl-C there)", at.request.PID, p.Name())
		}
	}
	return nil
}

func (c *Changes) attached(at *attachment) {
	c.byHand.mu.Lock()
	defer c.byHand.mu.Unlock()
	if c.byHand.of == nil {
		c.byHand.of = make(map[string]*attachment)
	}
	for _, p := range at.targets {
		c.byHand.of[p.Name()] = at
	}
}

// detached forgets an attachment that has ended, once its plugin is let go.
func (c *Changes) detached(at *attachment) {
	at.watching.Wait()
	c.byHand.mu.Lock()
	defer c.byHand.mu.Unlock()
	for _, p := range at.targets {
		delete(c.byHand.of, p.Name())
	}
}
