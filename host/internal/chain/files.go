package chain

import (
	"context"
	"sync"

	"github.com/penstock-io/penstock/host/internal/chain/era"
	"github.com/penstock-io/penstock/host/internal/chain/recorded"
	"github.com/penstock-io/penstock/sdk/chain"
)

// library answers calls out of files.
type library interface {
	Answer(ctx context.Context, method string, params []byte) ([]byte, error)
}

// openers are the libraries by the scheme of their endpoints, such as
// era1:/history.
var openers = map[string]func(dir string) (library, func() error, error){
	"era1": func(dir string) (library, func() error, error) {
		f, err := era.Open(dir)
		if err != nil {
			return nil, nil, err
		}
		return f, f.Close, nil
	},
	"recorded": func(dir string) (library, func() error, error) {
		a, err := recorded.Open(dir)
		return a, func() error { return nil }, err
	},
}

// files is an endpoint whose answers lie in a directory. It is opened when it is
// first asked.
type files struct {
	dir  string
	open func(dir string) (library, func() error, error)

	mu      sync.Mutex // protects the fields below
	library library    // nil: not open
	shut    func() error
}

func (f *files) opened() (library, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.library != nil {
		return f.library, nil
	}
	opened, shut, err := f.open(f.dir)
	if err != nil {
		return nil, err
	}
	f.library, f.shut = opened, shut
	return opened, nil
}

func (f *files) exchange(ctx context.Context, calls []*chain.Query) ([]reply, error) {
	from, err := f.opened()
	if err != nil {
		return nil, err
	}
	replies := make([]reply, len(calls))
	for i, c := range calls {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		replies[i].result, replies[i].err = from.Answer(ctx, c.Method, c.Params)
	}
	return replies, nil
}

// subscribe refuses: what lies in files does not change.
func (f *files) subscribe(context.Context, []byte, func([]byte) error) error {
	return errNoSubscriptions
}

func (f *files) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.library != nil {
		_ = f.shut() // they were only read
		f.library = nil
	}
}
