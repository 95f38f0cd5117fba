package cli

import (
	"context"
	"slices"

	"github.com/hashicorp/go-hclog"

	rpc "github.com/penstock-io/penstock/host/internal/chain"
	"github.com/penstock-io/penstock/host/internal/config"
	"github.com/penstock-io/penstock/host/internal/extent"
)

// fixing asks the chain what the ranges of a model mean that is to run. With
// fresh they are found anew the first time.
func fixing(logger hclog.Logger, fresh bool) func(context.Context, *config.Model, string) error {
	return func(ctx context.Context, m *config.Model, dataDir string) error {
		if !slices.ContainsFunc(m.Pipelines, func(p *config.Pipeline) bool { return p.Begin != "" || p.End != "" }) {
			return nil
		}
		networks, err := rpc.New(rpc.Config{Networks: m.Networks, Logger: logger.Named("chain")})
		if err != nil {
			return err
		}
		defer networks.Close()
		err = extent.Fix(ctx, m.Pipelines, networks, dataDir, fresh)
		fresh = false
		return err
	}
}
