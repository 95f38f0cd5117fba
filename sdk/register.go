package sdk

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/penstock-io/penstock/sdk/internal/process"
	"github.com/penstock-io/penstock/sdk/internal/settings"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Register is one thing a plugin serves. Make one with Reader, Subscriber,
// Aggregator, Loader or BatchLoader. What is wrong with it is told by Serve.
type Register struct{ spec process.Register }

// Doc returns the register with a sentence about what it does, for listings.
func (r Register) Doc(text string) Register {
	r.spec.Doc = text
	return r
}

// Reads returns the register with the registers it depends on, in the order of
// its inputs: a step that does not say where its input comes from gets them.
func (r Register) Reads(registers ...string) Register {
	r.spec.Dependencies = slices.Clone(registers)
	return r
}

// Addressable returns the register marked as one whose rows belong to an
// address, so that hosts can route by it.
func (r Register) Addressable() Register {
	r.spec.Addressable = true
	return r
}

// Truncates returns a loader's register marked as one that keeps the promise of
// Start.Checkpoint: what it holds beyond it is removed before new rows come, so
// that every row is there once whatever happened. Hosts tell users of other
// loaders that rows may come again.
func (r Register) Truncates() Register {
	r.spec.Truncates = true
	if r.spec.Type != pluginv1.ProcessType_PROCESS_TYPE_LOADER {
		r.spec.Err = errors.Join(r.spec.Err, errors.New("Truncates is for loaders"))
	}
	return r
}

// Unrepeatable returns a reader's register marked as one whose source cannot be
// read a second time, such as a mempool. Hosts keep what it emits until it is
// part of a checkpoint. Its cursors say nothing about where to begin.
func (r Register) Unrepeatable() Register {
	r.spec.Unrepeatable = true
	if r.spec.Type != pluginv1.ProcessType_PROCESS_TYPE_READER {
		r.spec.Err = errors.Join(r.spec.Err, errors.New("Unrepeatable is for readers"))
	}
	return r
}

// Exclusive returns the register marked as one of which two processes cannot be
// open at once, because they would want the same port, lock or file. When its
// plugin is replaced the old process is closed before the new one opens, which
// takes a little longer. Loaders are taken to be like that.
func (r Register) Exclusive() Register {
	r.spec.Exclusive = true
	return r
}

// Network returns the register marked as one that is of no use without a
// network: hosts tell their users, who have to allow it.
func (r Register) Network() Register {
	r.spec.Network = true
	return r
}

// Snapshots returns the register with the version of what its Snapshot writes,
// which is 1 where nothing is said. Whoever changes the shape of the state raises
// it. upgrades turn older states into newer ones, one version each: the last one
// turns version-1 into version, the one before it version-2 into version-1. A
// state that none of them can take is refused, and so is a swap to this register
// from one that has written it.
func (r Register) Snapshots(version uint32, upgrades ...func(older []byte) (newer []byte, err error)) Register {
	r.spec.Version, r.spec.Oldest = version, version-uint32(min(len(upgrades), int(version)))
	if version == 0 || r.spec.Oldest == 0 {
		r.spec.Err = errors.Join(r.spec.Err, fmt.Errorf(
			"Snapshots: version %d has %d upgrades: versions begin with 1, and there is at most one upgrade from each older one", version, len(upgrades)))
	}
	build := r.spec.New
	r.spec.New = func(object []byte) (process.Worker, []settings.Mistake) {
		worker, mistakes := build(object)
		if u, ok := worker.(interface {
			upgradesWith(version uint32, upgrades []func([]byte) ([]byte, error))
		}); ok {
			u.upgradesWith(version, upgrades)
		}
		return worker, mistakes
	}
	return r
}

// Internal is for package plugintest. Its type is of no use to anybody else.
func (r Register) Internal() process.Register { return r.spec }

// Reading is the required method of a reader. Read goes on until the last
// block has been emitted (nil), ctx ends, or an error occurs. It is told of
// neither barriers nor rewinds: it marks safe points, and is started again.
type Reading[Out transit.Row] interface {
	Read(ctx context.Context, start Start, out *Output[Out]) error
}

// Transforming is the required method of a subscriber. Rows come in order.
// After an error the row is delivered again, to a fresh copy of the struct.
//
// emit blocks while the consumers are full. It may be called during Transform
// only, and not by two goroutines at once. What a row points to must not
// change once it was emitted.
type Transforming[In, Out transit.Row] interface {
	Transform(ctx context.Context, row In, emit func(Out) error) error
}

// BatchTransforming is Transform for those who work faster on many rows. Where
// it is there, Transform is not called. The slice is reused after return. Rows
// that were emitted may point into it: they leave with the batch.
type BatchTransforming[In, Out transit.Row] interface {
	TransformBatch(ctx context.Context, rows []In, emit func(Out) error) error
}

// Loading is the required method of a loader. Rows come in order; the slice is
// reused after return, what its rows point to is not.
type Loading[In transit.Row] interface {
	Load(ctx context.Context, rows []In) error
}

// BatchLoading is the required method of a loader that takes streams of any
// type, as columns. input indexes Start.Inputs. The batch is the loader's to
// keep.
type BatchLoading interface {
	Load(ctx context.Context, input int, batch transit.Batch) error
}

// Reader serves a register that collects rows of type Out.
func Reader[Out transit.Row](name string, prototype Reading[Out]) Register {
	b := newBuilder(name, pluginv1.ProcessType_PROCESS_TYPE_READER, prototype)
	b.spec.Output = typeOf[Out](b)
	if _, ok := prototype.(Snapshotter); ok {
		b.wrong(errors.New("a reader has no Snapshot method: put what it has to remember into the Position of its cursors"))
	}
	return b.register(func(a author) process.Worker {
		return &readWorker[Out]{author: a, read: a.instance.(Reading[Out]).Read}
	})
}

// Subscriber serves a register that turns rows of type In into rows of type Out.
func Subscriber[In, Out transit.Row](name string, prototype Transforming[In, Out]) Register {
	b := newBuilder(name, pluginv1.ProcessType_PROCESS_TYPE_SUBSCRIBER, prototype)
	b.spec.Inputs = []process.Port{{Name: "input", Type: typeOf[In](b)}}
	b.spec.Output = typeOf[Out](b)
	b.checkMethods(reflect.TypeFor[BatchTransforming[In, Out]]())
	return b.register(func(a author) process.Worker {
		return newTransformWorker[In, Out](a)
	})
}

// Aggregator serves a register that joins streams into rows of type Out.
func Aggregator[Tuple any, Out transit.Row](name string, prototype Aggregating[Tuple, Out]) Register {
	b := newBuilder(name, pluginv1.ProcessType_PROCESS_TYPE_AGGREGATOR, prototype)
	shape, err := shapeOf(reflect.TypeFor[Tuple]())
	b.wrong(err)
	b.spec.Inputs = shape.ports
	b.spec.Output = typeOf[Out](b)
	return b.register(func(a author) process.Worker {
		aggregate := a.instance.(Aggregating[Tuple, Out]).Aggregate
		w := &joinWorker[Out]{author: a, shape: shape}
		w.call = func(ctx context.Context, tuple reflect.Value) error {
			return aggregate(ctx, *tuple.Addr().Interface().(*Tuple), w.rows.emit)
		}
		return w
	})
}

// Loader serves a register that ends a path for rows of type In.
func Loader[In transit.Row](name string, prototype Loading[In]) Register {
	b := newBuilder(name, pluginv1.ProcessType_PROCESS_TYPE_LOADER, prototype)
	b.spec.Inputs = []process.Port{{Name: "input", Type: typeOf[In](b)}}
	return b.register(func(a author) process.Worker {
		return &loadWorker{author: a, sink: &rowSink[In]{author: a.instance.(Loading[In])}}
	})
}

// BatchLoader serves a register that ends paths of any type, any number of
// streams at once.
func BatchLoader(name string, prototype BatchLoading) Register {
	b := newBuilder(name, pluginv1.ProcessType_PROCESS_TYPE_LOADER, prototype)
	b.spec.Inputs = []process.Port{{Name: "input", Any: true}}
	b.spec.ManyInputs = true
	return b.register(func(a author) process.Worker {
		return &loadWorker{author: a, sink: &batchSink{author: a.instance.(BatchLoading)}}
	})
}

// builder gathers what makes a register, and everything that is wrong with it.
type builder struct {
	spec      process.Register
	prototype prototype
}

func newBuilder(name string, kind pluginv1.ProcessType, author any) *builder {
	b := &builder{spec: process.Register{Name: name, Type: kind}}
	var err error
	b.prototype, err = newPrototype(author)
	b.wrong(err)
	b.spec.Settings, err = settings.Schema(b.prototype.copy())
	b.wrong(err)
	b.checkMethods(optional(kind)...)
	return b
}

func (b *builder) wrong(err error) { b.spec.Err = errors.Join(b.spec.Err, err) }

func (b *builder) checkMethods(interfaces ...reflect.Type) {
	b.wrong(checkMethods(b.prototype.pointer(), interfaces...))
}

func (b *builder) register(worker func(author) process.Worker) Register {
	b.spec.New = func(object []byte) (process.Worker, []settings.Mistake) {
		instance, mistakes := b.prototype.configure(object)
		return worker(author{instance: instance}), mistakes
	}
	return Register{spec: b.spec}
}

// typeOf is the data type of T; what cannot be mapped is wrong with the register.
func typeOf[T transit.Row](b *builder) transit.Type {
	t, err := transit.TypeOf[T]()
	b.wrong(err)
	return t
}
