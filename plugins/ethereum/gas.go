package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/gas"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/eth"
)

func gasRegister() sdk.Register {
	return sdk.Reader("eth.gas", &gasPrices{Percentiles: []float64{10, 50, 90}, Prices: true, connection: defaults()}).
		Doc("tells what gas and blobs cost in each block, and will cost in the next")
}

// gasPrices emits eth.gas.
type gasPrices struct {
	Percentiles []float64 `hcl:"percentiles,optional" doc:"of the gas of a block, cheapest first: what was paid there on top of the base fee; none: it is not asked for"`
	Prices      bool      `hcl:"prices,optional" doc:"at the head, ask what the node suggests to pay"`
	connection
}

// mostPercentiles is how many go-ethereum takes.
const mostPercentiles = 100

func (g *gasPrices) Validate() error {
	if len(g.Percentiles) > mostPercentiles {
		return fmt.Errorf("percentiles has %d numbers: write at most %d", len(g.Percentiles), mostPercentiles)
	}
	for _, p := range g.Percentiles {
		if !(p >= 0 && p <= 100) {
			return fmt.Errorf("percentiles has %v: write numbers from 0 to 100", p)
		}
	}
	if !slices.IsSorted(g.Percentiles) {
		return fmt.Errorf("percentiles is %v: write it in ascending order", g.Percentiles)
	}
	return g.validate(1)
}

// Read follows the chain and emits what gas cost in its blocks.
func (g *gasPrices) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Gas]) error {
	p := processOf(ctx, start)
	return followed(ctx, p, g.connection, out, func(chainID uint64) follow.Source[eth.Gas] { return g.source(p, chainID) })
}

func (g *gasPrices) source(p process, chainID uint64) follow.Source[eth.Gas] {
	return &gas.Source{
		Client: p.client, States: &place.States{Client: p.client, Log: p.log}, ChainID: chainID, Percentiles: g.Percentiles, Prices: g.Prices, Log: p.log,
	}
}
