package verify_test

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/trie"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/sdk/eth"
	"github.com/penstock-io/penstock/sdk/eth/decode"
	"github.com/penstock-io/penstock/sdk/eth/internal/made"
	"github.com/penstock-io/penstock/sdk/eth/verify"
)

// rows are a block as a reader has it.
type rows struct {
	eth.Block
	receipts []eth.Receipt
	logs     []eth.Log
	extra    []string
}

// read decodes a block and its receipts.
func read(tb testing.TB, chain uint64, block, receipts []byte) (r rows) {
	tb.Helper()
	dec := decode.Decoder{ChainID: chain}
	var err error
	if r.Block, err = dec.Block(block); err != nil {
		tb.Fatal(err)
	}
	r.extra = dec.Extra()
	r.receipts, r.logs, err = dec.ReceiptsWithLogs(receipts, &r.Header, decode.HashesOf(nil, r.Transactions), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// all is everything that can be checked of a block without its uncles' headers.
func all(v *verify.Verifier, r *rows) error {
	return firstOf(
		v.Whole(&r.Block, r.receipts, r.logs, r.extra...),
		v.AllLogs(&r.Header, r.logs),
	)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// counts are numbers of elements at which the shape of their trie changes.
var counts = []int{0, 1, 2, 3, 15, 16, 17, 18, 127, 128, 129, 255, 256, 257, 300}

func TestWhatGoEthereumMakesVerifies(t *testing.T) {
	var v verify.Verifier
	for fork := made.Frontier; fork <= made.Amsterdam; fork++ {
		for _, n := range counts {
			if n > 20 && fork != made.Prague { // the shape of a trie is not a matter of the fork
				continue
			}
			b := made.Make(t, made.Config{Number: 5, Fork: fork, Transactions: n, Input: n % 70, Logs: n % 6})
			r := read(t, made.ChainID, b.Full, b.Receipts)
			if err := all(&v, &r); err != nil {
				t.Fatalf("fork %d, %d transactions: %v", fork, n, err)
			}
		}
	}
}

// From 0x8000 transactions on their numbers take three bytes.
func TestManyTransactions(t *testing.T) {
	var v verify.Verifier
	header, list := eth.Header{BlockNumber: 1}, make([]eth.Withdrawal, 70_000)
	theirs := make(types.Withdrawals, len(list))
	for i := range list {
		list[i] = eth.Withdrawal{Index: uint64(i), Address: common.Address{byte(i)}, Amount: uint64(i % 3)}
		theirs[i] = &types.Withdrawal{Index: uint64(i), Address: common.Address{byte(i)}, Amount: uint64(i % 3)}
	}
	for _, n := range []int{1000, 65_535, 65_536, 65_537, 70_000} {
		root := types.DeriveSha(theirs[:n], trie.NewStackTrie(nil))
		header.WithdrawalsRoot = &root
		if err := v.Withdrawals(&header, list[:n]); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestSenders(t *testing.T) {
	var v verify.Verifier
	for fork := made.Frontier; fork <= made.Prague; fork++ {
		b := made.Make(t, made.Config{Number: 5, Fork: fork, Transactions: 8, Input: 3})
		r := read(t, made.ChainID, b.Full, b.Receipts)
		if err := v.Senders(&r.Header, r.Transactions); err != nil {
			t.Errorf("fork %d: %v", fork, err)
		}
		r.Transactions[6].From[3]++
		wantMismatch(t, v.Senders(&r.Header, r.Transactions), "transactions[6].from")
	}
}

func wantMismatch(t *testing.T, err error, field string) {
	t.Helper()
	var m *verify.Mismatch
	if !errors.As(err, &m) || m.Field != field {
		t.Errorf("got %v, want a mismatch of %s", err, field)
		return
	}
	if !strings.Contains(err.Error(), "block "+strconv.FormatUint(m.Block, 10)) || !strings.Contains(err.Error(), field) {
		t.Errorf("%q does not name the block and %s", err, field)
	}
}

func wantUnverifiable(t *testing.T, err error, field, reason string) {
	t.Helper()
	var u *verify.Unverifiable
	if !errors.As(err, &u) || u.Field != field || !strings.Contains(u.Reason, reason) {
		t.Errorf("got %v, want that %s is unverifiable: %s", err, field, reason)
	}
}

// flips changes each value that a row holds, one at a time, and calls f with the name of the one that is changed.
func flips(t *testing.T, name string, v reflect.Value, f func(name string)) {
	t.Helper()
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		old := *x
		*x = old.Add(time.Second)
		f(name)
		*x = old
		return
	case *uint256.Int:
		old := *x
		x.Xor(x, uint256.NewInt(1))
		f(name)
		*x = old
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			flips(t, name+"."+v.Type().Field(i).Name, v.Field(i), f)
		}
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if !topic.MatchString(name) { // shares its memory with the list
			flips(t, name, v.Elem(), f)
		}
		old := v.Interface()
		v.SetZero()
		f(name + "=nil")
		v.Set(reflect.ValueOf(old))
	case reflect.Array, reflect.Slice:
		if v.Len() == 0 {
			return
		}
		flips(t, fmt.Sprintf("%s[%d]", name, v.Len()-1), v.Index(v.Len()-1), f)
		if v.Kind() == reflect.Slice {
			old := v.Interface()
			v.Set(v.Slice(0, v.Len()-1))
			f(name + " shorter")
			v.Set(reflect.ValueOf(old))
		}
	case reflect.Uint64, reflect.Uint8:
		old := v.Uint()
		v.SetUint(old ^ 1)
		f(name)
		v.SetUint(old)
	case reflect.Bool, reflect.Float64:
	default:
		t.Fatalf("%s is a %s", name, v.Kind())
	}
}

var topic = regexp.MustCompile(`\.Topic\d$`)

// free are fields that nothing commits to. Each must be in docs/verification.md.
var free = regexp.MustCompile(`^header\.(Size|TransactionCount|TotalDifficulty.*|ChainID)$|` +
	`^transactions\[\d+\]\.(BlockNumber|BlockHash.*|Timestamp|TransactionIndex|Input\w*Bytes|RLPBytes|Status.*|Success.*|GasUsed.*|CumulativeGasUsed.*|EffectiveGasPrice.*|ContractAddress.*|BlobGasUsed.*|BlobGasPrice.*|LogCount.*)$|` +
	`^receipts\[\d+\]\.(BlockNumber|BlockHash.*|Timestamp|TransactionIndex|EffectiveGasPrice=nil|ContractAddress=nil|BlobGasUsed=nil|BlobGasPrice.*|ChainID)$|` +
	`^logs\[\d+\]\.(BlockNumber|Timestamp|TransactionIndex|TransactionHash.*|Topic\d.*|DataBytes|ChainID)$`)

// foundAs are the fields of which one should be named when a value is changed.
func foundAs(name string) *regexp.Regexp {
	switch {
	case name == "header.LogsBloom shorter":
		return regexp.MustCompile(`^logsBloom$`)
	case strings.HasPrefix(name, "header."):
		return regexp.MustCompile(`^hash$`)
	case strings.HasPrefix(name, "withdrawals"):
		return regexp.MustCompile(`^withdrawalsRoot$`)
	case strings.Contains(name, "].From["):
		return regexp.MustCompile(`^receipts\[\d\]\.from$`)
	case strings.HasPrefix(name, "transactions") && strings.HasSuffix(name, "TransactionType"): // left out what the other type needs
		return regexp.MustCompile(`^(transactions\[\d\]\.hash|receipts\[\d\]\.type)$`)
	case strings.HasPrefix(name, "transactions"):
		return regexp.MustCompile(`^transactions\[\d\]\.(hash|gasPrice)$`)
	case strings.HasPrefix(name, "logs"):
		return regexp.MustCompile(`^(logs\[\d+\]\.|receiptsRoot$|receipts\[\d\]\.logsBloom$)`)
	}
	return regexp.MustCompile(`^(receiptsRoot$|receipts\[\d\]\.|number of logs$)`)
}

func TestEveryFieldThatIsChangedIsFound(t *testing.T) {
	var v verify.Verifier
	for fork := made.Frontier; fork <= made.Amsterdam; fork++ {
		b := made.Make(t, made.Config{Number: 77, Fork: fork, Transactions: 9, Input: 5, Logs: 5})
		r := read(t, made.ChainID, b.Full, b.Receipts)
		if err := all(&v, &r); err != nil {
			t.Fatal(err)
		}
		changed := 0
		try := func(name string) {
			changed++
			err := all(&v, &r)
			var m *verify.Mismatch
			var u *verify.Unverifiable
			switch {
			case strings.HasSuffix(name, "].ChainID") && err == nil: // of a legacy transaction
			case free.MatchString(name):
				if err != nil {
					t.Errorf("fork %d: %s is checked after all: %v: say so in docs/verification.md", fork, name, err)
				}
			case errors.As(err, &u) && (strings.HasSuffix(name, "=nil") || strings.HasSuffix(name, "TransactionType") || strings.HasSuffix(name, "shorter")):
			case !errors.As(err, &m) || !foundAs(name).MatchString(m.Field) || m.Block != r.BlockNumber:
				t.Errorf("fork %d: %s was changed, got %v", fork, name, err)
			}
		}
		flips(t, "header", reflect.ValueOf(&r.Header).Elem(), try)
		flips(t, "withdrawals", reflect.ValueOf(&r.Withdrawals).Elem(), try)
		for i := range r.Transactions {
			flips(t, fmt.Sprintf("transactions[%d]", i), reflect.ValueOf(&r.Transactions[i]).Elem(), try)
			flips(t, fmt.Sprintf("receipts[%d]", i), reflect.ValueOf(&r.receipts[i]).Elem(), try)
		}
		for i := range r.logs {
			flips(t, fmt.Sprintf("logs[%d]", i), reflect.ValueOf(&r.logs[i]).Elem(), try)
		}
		if changed < 500 {
			t.Errorf("fork %d: only %d changes", fork, changed)
		}
	}
}
