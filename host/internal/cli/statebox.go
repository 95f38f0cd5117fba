package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/host/internal/api"
	"github.com/penstock-io/penstock/host/internal/project"
	"github.com/penstock-io/penstock/host/internal/registry"
	"github.com/penstock-io/penstock/host/internal/store"
	"github.com/penstock-io/penstock/sdk/shared"
)

// addressesKey is the set that registers look at which are marked as
// addressable.
const addressesKey = "addresses"

// wordsOf checks the words of the shared state of pipelines, and writes addresses
// in one way.
func wordsOf(r *registry.Registry) api.Words {
	return func(registers []string, key string, words []string) ([]string, error) {
		addressable := slices.ContainsFunc(registers, func(name string) bool {
			register, ok := r.Lookup(name)
			return ok && register.Addressable
		})
		if key != addressesKey || !addressable {
			return words, nil
		}
		out := make([]string, len(words))
		for i, word := range words {
			var err error
			if out[i], err = addressWord(word); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
}

// addressWord writes an address in small letters. One in letters of both sizes
// has a checksum in them.
func addressWord(word string) (string, error) {
	if !common.IsHexAddress(word) {
		return "", fmt.Errorf("%q is no address: it has 0x and 40 hex digits", word)
	}
	address := common.HexToAddress(word)
	small := strings.ToLower(address.Hex())
	digits := word[len(word)-40:]
	if digits != small[2:] && digits != strings.ToUpper(digits) && digits != address.Hex()[2:] {
		return "", fmt.Errorf("%q is no address: its letters are a checksum that does not fit; check it for typing errors, it would be %s", word, address.Hex())
	}
	return small, nil
}

// setBox is where the shared state of pipelines is.
type setBox interface {
	list(ctx context.Context, pipeline string) (sizes []store.SetSize, damage, err error)
	read(ctx context.Context, of store.SetOf) (shared.Value, error)
	change(ctx context.Context, of store.SetOf, c store.SetChange) (size store.SetSize, added, removed int, err error)
}

// withSets finds the shared state of a host, or of a data directory on which none
// runs.
func (a *app) withSets(ctx context.Context, h *host, do func(ctx context.Context, in setBox) error) error {
	return interruptible(ctx, func(ctx context.Context) error {
		err := h.ask(ctx, func(ctx context.Context, c *api.Client) error { return do(ctx, hostSets{c}) })
		if !errors.As(err, new(*api.NoHostError)) {
			return err
		}
		dir, err := h.dir()
		if err != nil {
			return err
		}
		p, err := h.project(ctx, a.version)
		if err != nil {
			return err
		}
		s, err := store.Open(dir)
		if err != nil {
			return err
		}
		return errors.Join(do(ctx, directSets{s.Sets(), p}), s.Close())
	})
}

// project is what a host would run. What is wrong with it is told when it is to
// run; only what cannot be understood at all has no pipelines.
func (h *host) project(ctx context.Context, version string) (*project.Project, error) {
	path := first(h.file, defaultFile)
	p, err := load(ctx, loading{
		sources: sources{path: path, dataDir: h.dataDir}, env: os.LookupEnv, dev: true, logger: hclog.NewNullLogger(), version: version,
	})
	if err != nil {
		return nil, err
	}
	if p.Model == nil {
		return nil, fmt.Errorf("no host runs, and %s does not say which pipelines there are: penstock validate tells why", path)
	}
	return p, nil
}

// hostSets is that of a host that runs.
type hostSets struct{ c *api.Client }

func (b hostSets) list(ctx context.Context, pipeline string) (sizes []store.SetSize, damage, err error) {
	sizes, err = b.c.Sets(ctx, pipeline)
	if sizes != nil {
		return sizes, err, nil
	}
	return nil, nil, err
}

func (b hostSets) read(ctx context.Context, of store.SetOf) (shared.Value, error) {
	return b.c.ReadSet(ctx, of)
}

func (b hostSets) change(ctx context.Context, of store.SetOf, c store.SetChange) (size store.SetSize, added, removed int, err error) {
	return b.c.ChangeSet(ctx, of, c)
}

// directSets is that of a data directory on which no host runs.
type directSets struct {
	sets *store.Sets
	p    *project.Project
}

func (b directSets) list(_ context.Context, pipeline string) (sizes []store.SetSize, damage, err error) {
	if pipeline != "" {
		if _, err := b.registers(pipeline); err != nil {
			return nil, nil, err
		}
	}
	sizes, err = b.sets.List(pipeline)
	if errors.As(err, new(*store.DamageError)) {
		return sizes, err, nil
	}
	return sizes, nil, err
}

func (b directSets) read(_ context.Context, of store.SetOf) (shared.Value, error) {
	if _, err := b.registers(of.Pipeline); err != nil {
		return shared.Value{}, err
	}
	return b.sets.Read(of)
}

func (b directSets) change(_ context.Context, of store.SetOf, c store.SetChange) (size store.SetSize, added, removed int, err error) {
	registers, err := b.registers(of.Pipeline)
	if err != nil {
		return size, 0, 0, err
	}
	words := wordsOf(b.p.Registry)
	if c.Add, err = words(registers, of.Key, c.Add); err != nil {
		return size, 0, 0, err
	}
	if c.Remove, err = words(registers, of.Key, c.Remove); err != nil {
		return size, 0, 0, err
	}
	now, added, removed, err := b.sets.Change(of, c)
	return store.SetSize{SetOf: of, Version: now.Version, Words: len(now.Members)}, added, removed, err
}

// registers are those of the steps of a pipeline.
func (b directSets) registers(pipeline string) ([]string, error) {
	var known, out []string
	for _, p := range b.p.Model.Pipelines {
		known = append(known, p.Name)
		for _, step := range p.Steps {
			if p.Name == pipeline {
				out = append(out, step.Register)
			}
		}
	}
	if !slices.Contains(known, pipeline) {
		return nil, unknownPipeline(pipeline, b.p.Path, known)
	}
	return out, nil
}

// unknownPipeline says which pipelines there are.
func unknownPipeline(pipeline, path string, known []string) error {
	hint := ""
	if near := registry.Nearest(pipeline, known); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Errorf("there is no pipeline %q: %s has %s%s", pipeline, path, strings.Join(known, ", "), hint)
}
