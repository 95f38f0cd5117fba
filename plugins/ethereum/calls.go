package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/call"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/multicall"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/eth"
)

func callsRegister() sdk.Register {
	return sdk.Reader("eth.calls", &calls{Multicall: true, schedule: schedule{Every: 1}, connection: defaults()}).
		Doc("reads what functions of contracts answer: prices, reserves, balances")
}

// calls emits eth.call.
type calls struct {
	Calls     []callBlock `hcl:"call,block" doc:"a function to call"`
	Multicall bool        `hcl:"multicall,optional" doc:"make many calls in one; false: every call by itself, as some contracts care who asks"`
	schedule
	connection
}

// callBlock is a function of a contract.
type callBlock struct {
	To     common.Address `hcl:"to" doc:"the contract"`
	Method string         `hcl:"method" doc:"what it is called with and returns, such as balanceOf(address)(uint256)"`
	Args   []string       `hcl:"args,optional" doc:"one text for each parameter; lists and tuples are lists in JSON"`
}

func (c *calls) Validate() error {
	if _, err := c.views(); err != nil {
		return err
	}
	if err := c.schedule.validate(); err != nil {
		return err
	}
	return c.connection.validate(1)
}

// views are the functions of the settings.
func (c *calls) views() ([]call.View, error) {
	if len(c.Calls) == 0 {
		return nil, errors.New("there is nothing to call: write call blocks with to and method")
	}
	views := make([]call.View, len(c.Calls))
	for i, block := range c.Calls {
		function, err := call.Parse(block.Method)
		if err != nil {
			return nil, fmt.Errorf("call %d: method: %w", i+1, err)
		}
		input, err := function.Pack(block.Args)
		if err != nil {
			return nil, fmt.Errorf("call %d: args: %w", i+1, err)
		}
		views[i] = call.View{To: block.To, Function: function, Input: input}
	}
	return views, nil
}

// Read follows the chain and emits what the functions answer.
func (c *calls) Read(ctx context.Context, start sdk.Start, out *sdk.Output[eth.Call]) error {
	views, err := c.views()
	if err != nil {
		return sdk.Stop(err)
	}
	p := processOf(ctx, start)
	return followed(ctx, p, c.connection, out, func(chainID uint64) follow.Source[eth.Call] { return c.source(p, chainID, views) })
}

func (c *calls) source(p process, chainID uint64, views []call.View) follow.Source[eth.Call] {
	states := &place.States{Client: p.client, Log: p.log}
	return &call.Source{
		Client: p.client, Calls: &multicall.Caller{States: states, Plain: !c.Multicall, Log: p.log}, ChainID: chainID,
		Views: views, Schedule: c.from(p.start.From), Log: p.log,
	}
}
