package sdk

import (
	"context"
	"fmt"
	"reflect"

	"github.com/penstock-io/penstock/sdk/internal/settings"
	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Register is one thing a plugin serves. Make one with Reader, Subscriber,
// Aggregator, Loader or BatchLoader.
type Register struct {
	name         string
	doc          string
	dependencies []string
	addressable  bool
	kind         pluginv1.ProcessType
	inputs       []port
	many         bool
	output       transit.Type // zero for loaders
	prototype    reflect.Value
	worker       func(instance any) worker
	err          error // what is wrong with the author's types, told at Serve
}

// port is one typed input of a register.
type port struct {
	name string
	typ  transit.Type
	any  bool
}

// Doc returns the register with a sentence about what it does, for listings.
func (r Register) Doc(text string) Register {
	r.doc = text
	return r
}

// Reads returns the register with the registers it depends on, in the order of
// its inputs: a step that does not say where its input comes from gets them.
func (r Register) Reads(registers ...string) Register {
	r.dependencies = registers
	return r
}

// Addressable returns the register marked as one whose rows belong to an
// address, so that hosts can route by it.
func (r Register) Addressable() Register {
	r.addressable = true
	return r
}

// worker is one running process without its types: the wire calls it, one call
// at a time and in the order of the stream.
type worker interface {
	// open prepares decoders and encoders for the streams in start.
	open(start Start, out *sender) error
	// batch handles the body of one frame; it may keep it.
	batch(ctx context.Context, input int, body []byte) error
	// safePoint says that an input is complete up to a cursor.
	safePoint(ctx context.Context, input int, point SafePoint) error
	// idle says that nothing waits to be read.
	idle(ctx context.Context) error
	// barrier makes durable what there is and returns the state.
	barrier(ctx context.Context, checkpoint uint64) ([]byte, error)
	// ended says that an input is over; drained: because the host stops.
	ended(ctx context.Context, input int, drained bool) error
}

// Reading is the required method of a reader. Read goes on until the last
// block has been emitted (nil), ctx ends, or an error occurs. It is told of
// neither barriers nor rewinds: it marks safe points, and is started again.
type Reading[Out transit.Row] interface {
	Read(ctx context.Context, start Start, out *Output[Out]) error
}

// Transforming is the required method of a subscriber. Rows come in order;
// emit blocks while the consumers are full. After an error the row is
// delivered again, to a fresh copy of the struct.
type Transforming[In, Out transit.Row] interface {
	Transform(ctx context.Context, row In, emit func(Out) error) error
}

// BatchTransforming is Transform for those who work faster on many rows. Where
// it is there, Transform is not called. The slice is reused after return.
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
	r := newRegister(name, pluginv1.ProcessType_PROCESS_TYPE_READER, prototype)
	r.output = typeOf[Out](&r)
	r.worker = func(instance any) worker { return &readWorker[Out]{read: instance.(Reading[Out]).Read} }
	return r
}

// Subscriber serves a register that turns rows of type In into rows of type Out.
func Subscriber[In, Out transit.Row](name string, prototype Transforming[In, Out]) Register {
	r := newRegister(name, pluginv1.ProcessType_PROCESS_TYPE_SUBSCRIBER, prototype)
	r.inputs = []port{{name: "input", typ: typeOf[In](&r)}}
	r.output = typeOf[Out](&r)
	r.worker = func(instance any) worker {
		return &transformWorker[In, Out]{author: instance.(Transforming[In, Out])}
	}
	return r
}

// Loader serves a register that ends a path for rows of type In.
func Loader[In transit.Row](name string, prototype Loading[In]) Register {
	r := newRegister(name, pluginv1.ProcessType_PROCESS_TYPE_LOADER, prototype)
	r.inputs = []port{{name: "input", typ: typeOf[In](&r)}}
	r.worker = func(instance any) worker {
		return &loadWorker{sink: &rowSink[In]{author: instance.(Loading[In])}, author: instance}
	}
	return r
}

// BatchLoader serves a register that ends paths of any type, any number of
// streams at once.
func BatchLoader(name string, prototype BatchLoading) Register {
	r := newRegister(name, pluginv1.ProcessType_PROCESS_TYPE_LOADER, prototype)
	r.inputs = []port{{name: "input", any: true}}
	r.many = true
	r.worker = func(instance any) worker {
		return &loadWorker{sink: &batchSink{author: instance.(BatchLoading)}, author: instance}
	}
	return r
}

func newRegister(name string, kind pluginv1.ProcessType, prototype any) Register {
	r := Register{name: name, kind: kind, prototype: reflect.ValueOf(prototype)}
	if r.prototype.Kind() == reflect.Pointer && r.prototype.IsNil() {
		r.err = fmt.Errorf("register %s: the prototype is nil", name)
	}
	return r
}

// typeOf is the data type of T; what cannot be mapped is kept for Serve to tell.
func typeOf[T transit.Row](r *Register) transit.Type {
	t, err := transit.TypeOf[T]()
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("register %s: %w", r.name, err)
	}
	return t
}

// instance makes a copy of the prototype for one process.
func (r Register) instance() any {
	if r.prototype.Kind() != reflect.Pointer {
		return r.prototype.Interface()
	}
	c := reflect.New(r.prototype.Type().Elem())
	c.Elem().Set(r.prototype.Elem())
	return c.Interface()
}

// configure makes a copy of the prototype with the settings in place and
// everything that is wrong with them.
func (r Register) configure(object []byte) (any, []settings.Mistake) {
	instance := r.instance()
	mistakes := settings.Decode(object, instance)
	if v, ok := instance.(Validator); ok && len(mistakes) == 0 {
		if err := v.Validate(); err != nil {
			mistakes = append(mistakes, settings.Mistake{Message: err.Error()})
		}
	}
	return instance, mistakes
}

// describe is the register as the host sees it.
func (r Register) describe() (*pluginv1.Register, error) {
	if r.err != nil {
		return nil, r.err
	}
	schema, err := settings.Schema(r.prototype.Interface())
	if err != nil {
		return nil, fmt.Errorf("register %s: %w", r.name, err)
	}
	out := &pluginv1.Register{
		Name: r.name, Type: r.kind, Doc: r.doc, ManyInputs: r.many,
		Dependencies: r.dependencies, Addressable: r.addressable, Settings: schema,
	}
	if r.output.Name != "" {
		out.Output = dataType(r.output)
	}
	for _, p := range r.inputs {
		in := &pluginv1.Port{Name: p.name, Any: p.any}
		if !p.any {
			in.Type = dataType(p.typ)
		}
		out.Inputs = append(out.Inputs, in)
	}
	return out, nil
}

func dataType(t transit.Type) *pluginv1.DataType {
	return &pluginv1.DataType{Name: t.Name, Schema: t.MarshalSchema()}
}
