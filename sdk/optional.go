package sdk

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
)

// Starter is told where it runs, after its settings are in place and before
// anything else.
type Starter interface {
	Start(ctx context.Context, start Start) error
}

// Closer is called once, after the last row or when the process is given up,
// also where Start has failed. The process has ended only when it has returned.
type Closer interface {
	Close() error
}

// Snapshotter hands out its state when a checkpoint is taken. It is called
// between rows, never during one. nil means that there is no state. Readers
// have no snapshots: where they are is their cursor, and what else they need
// fits into its Position.
type Snapshotter interface {
	Snapshot() ([]byte, error)
}

// Restorer takes back what Snapshot gave. It is called after Start and before
// the first row, on a fresh copy of the struct.
type Restorer interface {
	Restore(state []byte) error
}

// Validator checks settings beyond their types. It may be called on a host
// that only checks a file: it must not touch the outside world.
type Validator interface {
	Validate() error
}

// Committer makes all rows it has been given durable. It is called at safe
// points, when there is time to or often enough, and at checkpoints: what it
// has been given since the last call belongs together. A loader without it is
// taken to be durable when Load returns.
type Committer interface {
	Commit(ctx context.Context, commit Commit) error
}

// Finalizer is told that a checkpoint can no longer be undone: no Start will
// name an older one. A loader may seal files, or let go of what it keeps for
// going back.
type Finalizer interface {
	Final(ctx context.Context, checkpoint uint64) error
}

// optional are the one-method interfaces of each kind. A method that has the
// name of one and not its signature is a mistake that would go unnoticed.
func optional(kind pluginv1.ProcessType) []reflect.Type {
	all := []reflect.Type{reflect.TypeFor[Starter](), reflect.TypeFor[Closer](), reflect.TypeFor[Validator]()}
	if kind != pluginv1.ProcessType_PROCESS_TYPE_READER {
		all = append(all, reflect.TypeFor[Snapshotter](), reflect.TypeFor[Restorer]())
	}
	if kind == pluginv1.ProcessType_PROCESS_TYPE_LOADER {
		all = append(all, reflect.TypeFor[Committer](), reflect.TypeFor[Finalizer]())
	}
	return all
}

// checkMethods finds methods that look like optional ones and are not.
func checkMethods(author reflect.Type, interfaces ...reflect.Type) error {
	var errs []error
	for _, want := range interfaces {
		method := want.Method(0)
		has, ok := author.MethodByName(method.Name)
		if ok && !author.Implements(want) {
			errs = append(errs, fmt.Errorf("method %s of %s is %s, want %s: change it, or give it another name",
				method.Name, author, withoutReceiver(has.Type), method.Type))
		}
	}
	return errors.Join(errs...)
}

// withoutReceiver is the type of a method as an interface would have it.
func withoutReceiver(method reflect.Type) reflect.Type {
	in := slices.Collect(method.Ins())
	return reflect.FuncOf(in[1:], slices.Collect(method.Outs()), method.IsVariadic())
}

// author is an author's struct seen through its optional interfaces. It is a
// part of every worker.
type author struct {
	instance any
	version  uint32                         // of its snapshots; 0: nothing was said of it
	upgrades []func([]byte) ([]byte, error) // the last one leads to version
}

func (a *author) upgradesWith(version uint32, upgrades []func([]byte) ([]byte, error)) {
	a.version, a.upgrades = version, upgrades
}

func (a author) start(ctx context.Context, start Start) error {
	s, ok := a.instance.(Starter)
	if !ok {
		return nil
	}
	if err := s.Start(ctx, start); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	return nil
}

// Restore hands a snapshot back to the author, in the newest version.
func (a author) Restore(version uint32, state []byte) error {
	state, err := a.upgraded(version, state)
	if err != nil {
		return Stop(err)
	}
	r, ok := a.instance.(Restorer)
	if !ok {
		if len(state) == 0 {
			return nil
		}
		return Stop(fmt.Errorf("restore a snapshot of %d bytes: the register has no Restore method", len(state)))
	}
	if err := r.Restore(state); err != nil {
		return Stop(fmt.Errorf("restore a snapshot of %d bytes: %w", len(state), err))
	}
	return nil
}

// upgraded is a state as the register writes it today.
func (a author) upgraded(version uint32, state []byte) ([]byte, error) {
	for ; version < a.version && len(state) > 0; version++ {
		var err error
		if state, err = a.upgrades[len(a.upgrades)-int(a.version-version)](state); err != nil {
			return nil, fmt.Errorf("upgrade a snapshot from version %d to %d: %w", version, version+1, err)
		}
	}
	return state, nil
}

func (a author) snapshot() ([]byte, error) {
	s, ok := a.instance.(Snapshotter)
	if !ok {
		return nil, nil
	}
	state, err := s.Snapshot()
	if err != nil {
		return nil, fmt.Errorf("take a snapshot: %w", err)
	}
	return state, nil
}

// Close closes the author's struct, where it can be closed.
func (a author) Close() error {
	if c, ok := a.instance.(Closer); ok {
		return c.Close()
	}
	return nil
}
