package sdk

import (
	"context"
	"fmt"
	"reflect"

	"github.com/penstock-io/penstock/sdk/internal/wire/pluginv1"
	"github.com/penstock-io/penstock/sdk/transit"
)

// Aggregating is the required method of an aggregator. Tuple is a struct whose
// fields are the inputs, each with a tag that names its port:
//
//	type inputs struct {
//		Blocks []Block  `input:"blocks"` // all rows of the tuple, in order
//		Price  *Price   `input:"price"`  // the newest of them, nil if there is none
//		Span   sdk.Span                  // optional: the blocks it covers
//	}
//
// Under the block policy a tuple holds the rows of one block, under the epoch
// policy those of one epoch, and it is made once every input has passed the
// block; rows need a column block_number then. Under the trigger policy every
// row of one input makes a tuple with what has come on the others since the
// last one.
type Aggregating[Tuple any, Out transit.Row] interface {
	Aggregate(ctx context.Context, in Tuple, emit func(Out) error) error
}

// Aggregator serves a register that joins streams into rows of type Out.
func Aggregator[Tuple any, Out transit.Row](name string, prototype Aggregating[Tuple, Out]) Register {
	r := newRegister(name, pluginv1.ProcessType_PROCESS_TYPE_AGGREGATOR, prototype)
	shape, err := shapeOf(reflect.TypeFor[Tuple]())
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("register %s: %w", name, err)
	}
	r.inputs = shape.ports
	r.output = typeOf[Out](&r)
	r.worker = func(instance any) worker {
		author := instance.(Aggregating[Tuple, Out])
		w := &aggregateWorker[Out]{author: instance, shape: shape}
		w.call = func(ctx context.Context, tuple reflect.Value) error {
			return author.Aggregate(ctx, *tuple.Addr().Interface().(*Tuple), w.emit)
		}
		return w
	}
	return r
}
