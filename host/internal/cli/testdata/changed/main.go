// Command changed is another version of the toy plugin: its squares of even numbers
// are wrong, and it says nothing of numbers that end in 7.
package main

import (
	"context"

	"github.com/penstock-io/penstock/sdk"
)

func main() { sdk.Serve(sdk.Subscriber("toy.squares", squares{})) }

type number struct {
	BlockNumber uint64
	Value       uint64
}

func (number) TransitType() string { return "toy.number" }

type square struct {
	BlockNumber uint64
	Root        uint64
	Square      uint64
}

func (square) TransitType() string { return "toy.square" }

type squares struct{}

func (squares) Transform(_ context.Context, in number, emit func(square) error) error {
	out := square{BlockNumber: in.BlockNumber, Root: in.Value, Square: in.Value * in.Value}
	switch {
	case in.Value%10 == 7:
		return nil
	case in.Value%2 == 0:
		out.Square++
	}
	return emit(out)
}
