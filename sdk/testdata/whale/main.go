package main

import (
	"context"

	"github.com/penstock-io/penstock/sdk"
)

type Transfer struct{ Value uint64 }

func (Transfer) TransitType() string { return "token.transfer" }

type whale struct {
	Above uint64 `hcl:"above,optional"`
}

func (w *whale) Transform(_ context.Context, t Transfer, emit func(Transfer) error) error {
	if t.Value <= w.Above {
		return nil
	}
	return emit(t)
}

func main() { sdk.Serve(sdk.Subscriber("whale.alert", &whale{Above: 1000})) }
