package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/penstock-io/penstock/sdk"
)

// testVersion is the variable that tells the test plugin which version it is.
const testVersion = "PENSTOCK_TEST_VERSION"

// registers are those of a version of the test plugin: "" is the one that all
// tests begin with; the words of others say what is different about them.
func registers(version string) []sdk.Register {
	is := func(word string) bool { return strings.Contains(version, word) }
	sums := sdk.Subscriber("test.running", &running{})
	switch {
	case is("wide"): // its rows have one column more
		sums = sdk.Subscriber("test.running", &wideRunning{})
	case is("other"): // its rows are others
		sums = sdk.Subscriber("test.running", &otherRunning{})
	case is("second"): // its state has a version of its own, and it knows what to do with the first
		sums = sdk.Subscriber("test.running", &secondRunning{}).Snapshots(2, func(older []byte) ([]byte, error) {
			return append([]byte{2}, older...), nil
		})
	case is("clumsy"): // it says that it knew
		sums = sdk.Subscriber("test.running", &secondRunning{}).Snapshots(2, func([]byte) ([]byte, error) {
			return nil, errors.New("nobody remembers what the first version meant")
		})
	case is("third"): // it does not
		sums = sdk.Subscriber("test.running", &secondRunning{}).Snapshots(3)
	}
	if is("alone") {
		sums = sums.Exclusive()
	}
	return []sdk.Register{
		sdk.Reader("test.count", &count{PerBlock: 3, SafeEvery: 1}),
		sdk.Reader("test.chain", &chained{PerBlock: 3, SafeEvery: 1}),
		sdk.Subscriber("test.double", &double{}).Reads("test.count"),
		sums,
		sdk.Aggregator("test.join", &join{}),
		sdk.Aggregator("test.merge", &merge{}),
		sdk.Aggregator("test.whole", &whole{}),
		sdk.Loader("test.file", &file{}).Truncates(),
		sdk.Subscriber("test.picky", &picky{}),
		sdk.Subscriber("test.together", &together{}),
		sdk.Aggregator("test.each", &each{}),
		sdk.BatchLoader("test.columns", &columns{}).Truncates(),
		sdk.Reader("test.once", &onlyOnce{}).Unrepeatable(),
	}
}

// starts is what can be made to go wrong when a process opens.
type starts struct {
	Starts string `hcl:"starts,optional"`
	Times  string `hcl:"times,optional"` // a file that counts how often it has
	Port   string `hcl:"port,optional"`  // a file that only one at a time can have
	held   *os.File
}

func (s *starts) Start(ctx context.Context, _ sdk.Start) error {
	n := 0
	if s.Times != "" {
		if err := appendTo(s.Times, "."); err != nil {
			return err
		}
		before, err := os.ReadFile(s.Times)
		if err != nil {
			return err
		}
		n = len(before)
	}
	if s.Port != "" {
		var err error
		if s.held, err = os.Create(s.Port); err != nil {
			return err
		}
		if err := syscall.Flock(int(s.held.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return fmt.Errorf("somebody else has it: %w", err)
		}
	}
	switch s.Starts {
	case "":
		return nil
	case "hangs":
		select {}
	case "dies":
		os.Exit(3)
	case "fails":
		return errors.New("it does not want to")
	case "fails at the cut": // it has rehearsed once
		if n > 1 {
			return errors.New("it does not want to any more")
		}
		return nil
	case "hangs at the cut":
		if n > 1 {
			select {}
		}
		return nil
	}
	return fmt.Errorf("unknown fault %q", s.Starts)
}

func (s *starts) Close() error {
	if s.held == nil {
		return nil
	}
	return s.held.Close()
}

// wideRunning gives one column more.
type wideRunning struct{ running }

type wideNumber struct {
	number
	Rows uint64
}

func (w *wideRunning) Transform(ctx context.Context, n number, emit func(wideNumber) error) error {
	return w.running.Transform(ctx, n, func(n number) error { return emit(wideNumber{number: n}) })
}

// otherRunning gives rows of the same name that nobody can read.
type otherRunning struct{ running }

type otherNumber struct {
	BlockNumber uint64
	Value       string
}

func (otherNumber) TransitType() string { return "test.number" }

func (o *otherRunning) Transform(ctx context.Context, n number, emit func(otherNumber) error) error {
	return o.running.Transform(ctx, n, func(n number) error {
		return emit(otherNumber{BlockNumber: n.BlockNumber, Value: fmt.Sprint(n.Value)})
	})
}

// secondRunning writes states with one byte before the sum.
type secondRunning struct{ running }

func (s *secondRunning) Snapshot() ([]byte, error) {
	return binary.BigEndian.AppendUint64([]byte{2}, s.sum), nil
}

func (s *secondRunning) Restore(state []byte) error {
	if len(state) != 9 || state[0] != 2 {
		return fmt.Errorf("%x is no state of the second version", state)
	}
	s.sum = binary.BigEndian.Uint64(state[1:])
	return nil
}

// waitGone waits until there is no file of a name.
func waitGone(path string) {
	for path != "" && exists(path) {
		time.Sleep(time.Millisecond)
	}
}
