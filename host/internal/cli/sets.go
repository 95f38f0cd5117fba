package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/shared"
)

// standingSets is the shared state of pipelines for steps that run once more
// beside a host, or without one: what the sets hold now. It is only read.
type standingSets struct {
	dir string // the data directory

	mu sync.Mutex // one at a time opens the directory
}

// Watch tells what a set holds, once.
func (s *standingSets) Watch(ctx context.Context, q shared.Query, take func(shared.Value) error) error {
	pipeline, _, _ := strings.Cut(q.Step, "/")
	v, err := s.read(ctx, store.SetOf{Pipeline: pipeline, Key: q.Key})
	if err != nil {
		return fmt.Errorf("read the set %q of pipeline %q: %w", q.Key, pipeline, err)
	}
	if err := take(v); err != nil {
		return err
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// read asks the host that runs, or looks into the directory where none does.
func (s *standingSets) read(ctx context.Context, of store.SetOf) (shared.Value, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	client, err := api.Dial(ctx, s.dir)
	if err == nil {
		defer client.Close()
		return client.ReadSet(ctx, of)
	}
	if !errors.As(err, new(*api.NoHostError)) {
		return shared.Value{}, err
	}
	if _, err := os.Stat(s.dir); errors.Is(err, fs.ErrNotExist) {
		return shared.Value{}, nil // no host has ever run there: nothing is in the set
	}
	opened, err := store.Open(s.dir)
	if err != nil {
		return shared.Value{}, err
	}
	v, err := opened.Sets().Read(of)
	return v, errors.Join(err, opened.Close())
}
