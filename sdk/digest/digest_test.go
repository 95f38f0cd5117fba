package digest_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/penstock-io/penstock/sdk/digest"
)

func row(values ...any) [32]byte {
	var r digest.Row
	for _, v := range values {
		r.Value(v)
	}
	return r.Digest()
}

// A value has one digest, in whatever way a store writes it.
func TestOneDigestForOneValue(t *testing.T) {
	address := common.HexToAddress("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2")
	same := map[string][2]any{
		"address":  {address, "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"},
		"hash":     {common.Hash{31: 1}, []byte{31: 1}},
		"number":   {uint64(7), int64(7)},
		"large":    {new(big.Int).Lsh(big.NewInt(1), 255), new(big.Int).Lsh(big.NewInt(1), 255).String()},
		"time":     {time.Unix(5, 0).In(time.FixedZone("x", 3600)), "1970-01-01T00:00:05Z"},
		"list":     {[]any{address, uint64(1), nil}, `["0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2",1,null]`},
		"struct":   {map[string]any{"b": true, "a": big.NewInt(3)}, `{"a":"3","b":true}`},
		"fraction": {0.5, "0.5"},
	}
	for name, pair := range same {
		if row(pair[0]) != row(pair[1]) {
			t.Errorf("%s: %v and %v have different digests", name, pair[0], pair[1])
		}
	}
	var a, b digest.Row
	if err := a.Nested([]byte(`{ "b": [1, "0xAB"], "a": null }`)); err != nil {
		t.Fatal(err)
	}
	b.Value(map[string]any{"a": nil, "b": []any{uint64(1), []byte{0xab}}})
	if a.Digest() != b.Digest() {
		t.Error("JSON with blanks, other order and upper case has another digest")
	}
	if err := a.Nested([]byte(`{`)); err == nil {
		t.Error("broken JSON is taken")
	}
}

// What differs in any way has another digest.
func TestOtherRowsHaveOtherDigests(t *testing.T) {
	rows := [][]any{
		{nil}, {""}, {"", ""}, {nil, ""}, {"", nil}, {"ab", "c"}, {"a", "bc"}, {"abc"}, {uint64(1), uint64(2)}, {uint64(2), uint64(1)}, {},
	}
	seen := map[[32]byte]int{}
	for i, values := range rows {
		d := row(values...)
		if other, twice := seen[d]; twice {
			t.Errorf("%v and %v have the same digest", rows[other], values)
		}
		seen[d] = i
	}
}

// Sums do not depend on order, and carry.
func TestSums(t *testing.T) {
	one, all := [32]byte{31: 1}, [32]byte{}
	for i := range all {
		all[i] = 0xff
	}
	var s digest.Sum
	s.Add(all)
	s.Add(one)
	if s != (digest.Sum{}) {
		t.Errorf("2^256 - 1 + 1 is %x, want 0", s)
	}
	var a, b digest.Sum
	x, y := row("x"), row("y")
	a.Add(x)
	a.Add(y)
	b.Add(y)
	b.Add(x)
	if a != b || a == (digest.Sum{}) {
		t.Errorf("sums in another order: %x and %x", a, b)
	}
	b.Add(x)
	if a == b {
		t.Error("a row that is there twice does not show")
	}
}
