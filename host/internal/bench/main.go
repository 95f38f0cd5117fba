// Command bench measures what crossing processes and asking nodes costs, and
// prints one table.
//
// Absolute figures of a busy or virtual machine say little, so every figure
// stands beside a yardstick that was measured in the same run, the two taking
// turns: what a bare gRPC stream does with the same bytes, or the same chain of
// processes with frames that nobody looks into. The ratio is what counts; the
// processor time per row beside each rate is the steadiest of the absolutes.
// How soon rows flow again after something was killed has no yardstick but the
// clock: it is counted from the kill, with nothing subtracted.
//
// Nothing here fails because it is slow.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"
)

func main() {
	if isPart, err := servePart(os.Args[1:]); isPart {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	effort := usual
	only := flag.String("only", "", "measure `one` section: codec, hop, chain, latency, footprint, swap, supply, rpc or recovery")
	flag.IntVar(&effort.rounds, "rounds", effort.rounds, "how often each variant has its turn")
	flag.DurationVar(&effort.span, "span", effort.span, "how long a turn is measured")
	flag.Parse()
	floor := make([]byte, heapFloor)
	defer runtime.KeepAlive(floor)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, effort, *only); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// servePart is what this program does where it was started a second time, as the
// other end of something.
func servePart(args []string) (isPart bool, err error) {
	if len(args) == 0 {
		return false, nil
	}
	switch args[0] {
	case bareArg:
		return true, serveBare(args[1:])
	case nodeArg:
		return true, serveNode(args[1:])
	}
	return false, nil
}

// heapFloor is what the SDK makes the collector of a plugin take for granted.
// Where this process decodes rows it stands for a plugin that does; all
// variants have it.
const heapFloor = 32 << 20

// effort is how long and how often things are measured.
type effort struct {
	rounds int
	warm   time.Duration // before a turn is measured
	span   time.Duration // of a turn
}

var usual = effort{rounds: 5, warm: 300 * time.Millisecond, span: time.Second}

// section is one part of the table.
type section struct {
	name    string
	title   string
	measure func(ctx context.Context, b *bench) error
}

var sections = []section{
	{"codec", "CODEC: structs to bytes and back", codecFigures},
	{"hop", "ONE HOP: plugin to host, structs at both ends", hopFigures},
	{"chain", "CHAIN: reader, subscriber and loader, each its own process, the host between them", chainFigures},
	{"latency", "LATENCY: plugin to host, single rows, 100 a second", latencyFigures},
	{"footprint", "FOOTPRINT: memory and start", footprintFigures},
	{"swap", "SWAP: another plugin in the place of one that 100,000 rows a second flow through", swapFigures},
	{"supply", "SUPPLY: bytes that are verified, sandboxes, mutual TLS", supplyFigures},
	{"rpc", "CHAIN DATA: readers and loaders against a node that answers from memory", rpcFigures},
	{"recovery", "RECOVERY: checkpoints, kills, reorganisations, guarantees", recoveryFigures},
}
