package call_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/call"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/multicall"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/realnode"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

func parse(t *testing.T, text string) *call.Function {
	t.Helper()
	f, err := call.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Functions are read as people write them, and hashed as contracts have them.
func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"getReserves()(uint112,uint112,uint32)":                                "getReserves() 0902f1ac 3",
		"balanceOf(address)(uint256)":                                          "balanceOf(address) 70a08231 1",
		"function balanceOf(address owner) external view returns (uint256 n);": "balanceOf(address) 70a08231 1",
		" totalSupply ( ) ( uint ) ":                                           "totalSupply() 18160ddd 1",
		"aggregate((address,bytes)[])(uint256,bytes[])":                        "aggregate((address,bytes)[]) 252dba42 2",
		"aggregate(tuple(address target, bytes callData)[] calls)":             "aggregate((address,bytes)[]) 252dba42 0",
		"f(uint[2][],(bool,(int8,string))[3])":                                 "f(uint256[2][],(bool,(int8,string))[3]) cf8ba1a8 0",
	} {
		f, err := call.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := fmt.Sprintf("%s %x %d", f.Signature, f.Selector, len(f.Outputs)); got != want && !strings.HasPrefix(text, "f(") || f.Signature != strings.Fields(want)[0] {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "f", "f(", "f(x)", "f(uint7)", "f(uint256", "f(uint256,)", "f(uint256[a])", "f()x", "f()(uint256)x", "1f()", "f((uint256)", "f(uint256)(", "f(uint256))"} {
		if f, err := call.Parse(text); err == nil || !strings.Contains(err.Error(), "is no function") {
			t.Errorf("%q was read as %+v, %v", text, f, err)
		}
	}
}

// What goes in comes out again, exactly and in JSON.
func TestValues(t *testing.T) {
	const types = "(address,bool,string,uint256,int24,uint8,bytes,bytes4,uint256[],(bool,int256)[2],string[])"
	f := parse(t, "f"+types+types)
	args := []string{
		"0x00000000219ab540356cbb839cbe05303d7705fa", "true", `it's "so"`, "115792089237316195423570985008687907853269984665640564039457584007913129639935", "-8388608", "0xff",
		"0x0102", "0x01020304", "[1, \"2\", \"0x10\"]", `[[true,"-5"],["false",6]]`, `["a","b"]`,
	}
	data, err := f.Pack(args)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Unpack(data[4:])
	want := `["0x00000000219ab540356cBB839Cbe05303d7705Fa",true,"it's \"so\"","115792089237316195423570985008687907853269984665640564039457584007913129639935","-8388608","255",` +
		`"0x0102","0x01020304",["1","2","16"],[[true,"-5"],[false,"6"]],["a","b"]]`
	if got != want || err != nil {
		t.Errorf("got  %s\nwant %s (%v)", got, want, err)
	}
	for text, bad := range map[string][2]string{
		"is no address":    {"f(address)", "0x12"},
		"is no bool":       {"f(bool)", "maybe"},
		"is no uint8":      {"f(uint8)", "256"},
		"is no int8":       {"f(int8)", "128"},
		"is no uint256":    {"f(uint256)", "-1"},
		"is no bytes4":     {"f(bytes4)", "0x01"},
		"is no bytes:":     {"f(bytes)", "0xzz"},
		"a list in JSON":   {"f(uint8[])", "1,2"},
		"has 1 elements":   {"f(uint8[2])", "[1]"},
		"has 3 elements":   {"f((bool,bool))", "[true,true,true]"},
		"is no uint8 ":     {"f(uint8[])", "[1,300]"},
		"takes 2 argument": {"f(bool,bool)", "true"},
	} {
		if data, err := parse(t, bad[0]).Pack([]string{bad[1]}); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(text)) {
			t.Errorf("%v was written as %x, %v; want %q", bad, data, err, text)
		}
	}
}

// What a real node's contracts answer, revert with, and do not answer, is a row each.
func TestCallsOfARealNode(t *testing.T) {
	tells, reverts, strange := common.Address{0xc1}, common.Address{0xc2}, common.Address{0xc3}
	n := realnode.Start(t, map[common.Address][]byte{
		tells:   common.FromHex("43600052602a60205260406000f3"), // the block's number and 42
		reverts: common.FromHex("62461bcd60e51b600052602060045260016024526078" + "60f81b" + "60445260646000fd"),
		strange: common.FromHex("60016000f3"),
	})
	for range 12 {
		n.Commit()
	}
	service := &nodetest.Service{URL: n.HTTP(t)}
	defer service.Close()
	client, log := chain.NewClient(service, "test", chain.Asker{}), hclog.NewNullLogger()
	pair := parse(t, "both()(uint256,uint8)")
	views := []call.View{
		{To: tells, Function: pair, Input: pair.Selector[:]},
		{To: reverts, Function: pair, Input: pair.Selector[:]},
		{To: strange, Function: pair, Input: pair.Selector[:]},
		{To: common.Address{9}, Function: pair, Input: pair.Selector[:]},
		{To: tells, Function: parse(t, "raw()"), Input: []byte{1}},
	}
	for _, plain := range []bool{false, true} {
		s := &call.Source{
			Client: client, Calls: &multicall.Caller{States: &place.States{Client: client, Log: log}, Plain: plain, Log: log}, ChainID: 7, Views: views,
			Schedule: place.LastOf(5, 0), Log: log,
		}
		head := n.Head()
		span, err := s.Span(t.Context(), follow.Extent{From: 1, To: 12, Head: view.Ref{Number: 12, Hash: head.Hash(), Parent: head.ParentHash}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, row := range span.Rows {
			got = append(got, fmt.Sprintf("%d %x %s %v %q %q", row.BlockNumber, row.Address[0], row.Function, row.Success, row.Values, row.Error))
		}
		var want []string
		for _, number := range []int{4, 9} {
			want = append(want,
				fmt.Sprintf(`%d c1 both() true "[\"%d\",\"42\"]" ""`, number, number), fmt.Sprintf(`%d c2 both() false "" "x"`, number),
				fmt.Sprintf(`%d c3 both() true "" "what it returned is not what both() returns: abi: cannot marshal in to go type: length insufficient 1 require 32"`, number),
				fmt.Sprintf(`%d 9 both() true "" "it returned nothing: there is no contract at this address, or none with this function"`, number),
				fmt.Sprintf(`%d c1 raw() true "" ""`, number))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("plain %v (-want +got):\n%s", plain, diff)
		}
		if row := span.Rows[4]; len(row.Output) != 64 || row.Selector == [4]byte{} || row.ChainID != 7 || (row.BlockHash == common.Hash{}) {
			t.Errorf("got %+v", row)
		}
	}
}
