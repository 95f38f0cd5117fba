// Command toy is a plugin that needs nothing from outside, for the tests of the
// command line.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/penstock-io/penstock/sdk"
	"github.com/penstock-io/penstock/sdk/shared"
)

func main() {
	sdk.Serve(
		sdk.Reader("toy.numbers", &numbers{Pause: 5 * time.Millisecond, PerBlock: 2}).Doc("Counts."),
		sdk.Reader("toy.words", &words{}).Doc("Gives numbers in words, under the name of numbers."),
		sdk.Reader("toy.members", &members{}).Doc("Counts the members of a shared set, whenever it has changed.").Addressable(),
		sdk.Subscriber("toy.squares", &squares{}).Doc("Squares numbers.").Reads("toy.numbers"),
		sdk.Aggregator("toy.sums", &sums{}).Doc("Adds up the squares of a block."),
		sdk.Loader("toy.print", &printer{}).Doc("Prints numbers."),
		sdk.Loader("toy.total", &total{}).Doc("Prints sums."),
		sdk.Loader("toy.roots", roots{}).Doc("Prints squares."),
		sdk.Loader("toy.drop", drop{}).Doc("Holds nothing, and so never anything twice.").Truncates(),
	)
}

type number struct {
	BlockNumber uint64
	Value       uint64
}

func (number) TransitType() string { return "toy.number" }

type word struct {
	BlockNumber uint64
	Value       string
}

func (word) TransitType() string { return "toy.number" }

type square struct {
	BlockNumber uint64
	Root        uint64
	Square      uint64
}

func (square) TransitType() string { return "toy.square" }

type sum struct {
	BlockNumber uint64
	Total       uint64
}

func (sum) TransitType() string { return "toy.sum" }

// numbers emits as many numbers a block as it is told.
type numbers struct {
	Pause    time.Duration `hcl:"pause,optional" doc:"time from one block to the next"`
	PerBlock uint64        `hcl:"per_block,optional" doc:"numbers in a block"`
}

func (n *numbers) Validate() error {
	if n.PerBlock == 0 || n.PerBlock > 1000 {
		return fmt.Errorf("per_block is %d: write a number from 1 to 1000", n.PerBlock)
	}
	return nil
}

func (n *numbers) Read(ctx context.Context, start sdk.Start, out *sdk.Output[number]) error {
	block := start.From
	if start.Cursor != nil {
		block = start.Cursor.Block + 1
	}
	for ; start.To == nil || block <= *start.To; block++ {
		for i := range n.PerBlock {
			if err := out.Emit(number{BlockNumber: block, Value: block*n.PerBlock + i}); err != nil {
				return err
			}
		}
		head := block
		if start.To != nil {
			head = *start.To
		}
		if err := out.SafePoint(sdk.SafePoint{Cursor: sdk.Cursor{ChainID: 7, Block: block}, Head: head}); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(n.Pause):
		}
	}
	return nil
}

type words struct{}

func (words) Read(context.Context, sdk.Start, *sdk.Output[word]) error { return nil }

// members emits how many addresses its pipeline shares, a block for each change.
type members struct{}

func (members) Read(ctx context.Context, start sdk.Start, out *sdk.Output[number]) error {
	return sdk.Shared(ctx, "addresses", func(v shared.Value) error {
		if start.Cursor != nil && start.Cursor.Block >= v.Version {
			return nil
		}
		if err := out.Emit(number{BlockNumber: v.Version, Value: uint64(len(v.Members))}); err != nil {
			return err
		}
		return out.SafePoint(sdk.SafePoint{Cursor: sdk.Cursor{ChainID: 7, Block: v.Version}, Head: v.Version})
	})
}

// squares can be told at which number to give up.
type squares struct {
	StopAt *uint64  `hcl:"stop_at,optional" doc:"a number that cannot be squared"`
	FailAt *uint64  `hcl:"fail_at,optional" doc:"the process breaks down at this number and at all after it"`
	Bad    []uint64 `hcl:"bad,optional" doc:"numbers that are refused"`
	Panic  *uint64  `hcl:"panic,optional" doc:"a number at which the process panics"`
	Mended string   `hcl:"mended,optional,reads" doc:"a file while which is there all numbers are good"`
	StopIf string   `hcl:"stop_if,optional,reads" doc:"a file while which is there nothing can be squared"`
}

func (s *squares) Transform(_ context.Context, in number, emit func(square) error) error {
	if _, err := os.Stat(s.StopIf); s.StopIf != "" && err == nil {
		return sdk.Stop(fmt.Errorf("%s is there", s.StopIf))
	}
	switch {
	case s.StopAt != nil && in.Value == *s.StopAt:
		return sdk.Stop(fmt.Errorf("the number %d cannot be squared", in.Value))
	case s.FailAt != nil && in.Value >= *s.FailAt:
		os.Exit(3)
	case s.isMended():
	case slices.Contains(s.Bad, in.Value):
		return sdk.Poison(fmt.Errorf("the number %d is bad", in.Value))
	case s.Panic != nil && in.Value == *s.Panic:
		panic("square of the unsquarable")
	}
	if os.Getenv("TOY_CUBES") != "" { // as only a person has it who runs the plugin by hand
		return emit(square{BlockNumber: in.BlockNumber, Root: in.Value, Square: in.Value * in.Value * in.Value})
	}
	return emit(square{BlockNumber: in.BlockNumber, Root: in.Value, Square: in.Value * in.Value})
}

func (s *squares) isMended() bool {
	_, err := os.Stat(s.Mended)
	return s.Mended != "" && err == nil
}

type sums struct{}

func (sums) Aggregate(_ context.Context, in struct {
	Numbers []number `input:"numbers"`
	Squares []square `input:"squares"`
}, emit func(sum) error) error {
	if len(in.Numbers) != len(in.Squares) {
		return sdk.Stop(errors.New("numbers and squares of a block do not belong together"))
	}
	var s sum
	for _, q := range in.Squares {
		s.BlockNumber = q.BlockNumber
		s.Total += q.Square
	}
	return emit(s)
}

// printer prints on standard output, and tells in a file that it has begun.
type printer struct {
	Mark  string `hcl:"mark,optional,writes" doc:"a file that is made at the first row"`
	Stall bool   `hcl:"stall,optional" doc:"never finish the first row"`
}

func (p *printer) Load(_ context.Context, rows []number) error {
	if p.Mark != "" {
		if err := os.WriteFile(p.Mark, nil, 0o600); err != nil {
			return sdk.Stop(err)
		}
	}
	for p.Stall {
		time.Sleep(time.Hour)
	}
	for _, row := range rows {
		fmt.Printf("number %d of block %d\n", row.Value, row.BlockNumber)
	}
	return nil
}

type drop struct{}

func (drop) Load(context.Context, []number) error { return nil }

type roots struct{}

func (roots) Load(_ context.Context, rows []square) error {
	for _, row := range rows {
		fmt.Printf("square %d of %d\n", row.Square, row.Root)
	}
	return nil
}

type total struct{}

func (total) Load(_ context.Context, rows []sum) error {
	for _, row := range rows {
		fmt.Printf("total %d of block %d\n", row.Total, row.BlockNumber)
	}
	return nil
}
