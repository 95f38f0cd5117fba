package balance_test

import (
	"fmt"
	"math/big"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"github.com/holiman/uint256"

	"github.com/penstock-io/penstock/plugins/ethereum/internal/balance"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/follow"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/multicall"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/place"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/realnode"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/statetest"
	"github.com/penstock-io/penstock/plugins/ethereum/internal/view"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
	"github.com/penstock-io/penstock/sdk/eth"
)

func source(t *testing.T, url string, addresses ...common.Address) *balance.Source {
	t.Helper()
	service := &nodetest.Service{URL: url, Tries: 3}
	t.Cleanup(service.Close)
	client, log := chain.NewClient(service, "test", chain.Asker{}), hclog.NewNullLogger()
	states := &place.States{Client: client, Log: log}
	return &balance.Source{
		Client: client, States: states, Calls: &multicall.Caller{States: states, Log: log}, ChainID: 7, Set: balance.NewSet(addresses), Log: log,
	}
}

func serve(t *testing.T, s *statetest.State) string {
	t.Helper()
	server := httptest.NewServer(s.Handler(t))
	t.Cleanup(server.Close)
	return server.URL
}

func some(n int) []common.Address {
	out := make([]common.Address, n)
	for i := range out {
		out[i] = common.BigToAddress(big.NewInt(int64(1000 + i)))
	}
	return out
}

func rowsOf(c *nodetest.Chain, numbers []uint64, addresses []common.Address, nonce bool) (rows []eth.Balance) {
	for _, number := range numbers {
		b := c.At(number)
		for _, address := range addresses {
			row := eth.Balance{BlockNumber: number, BlockHash: b.Hash, Timestamp: b.Time, Address: address, Balance: statetest.Balance(b.Hash, address), ChainID: 7}
			if n := statetest.Nonce(b.Hash, address); nonce {
				row.Nonce = &n
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// A row for every account at every block that is due, of the state after that very block, few or many, old or new.
func TestBalances(t *testing.T) {
	c := nodetest.NewChain(40)
	url := serve(t, &statetest.State{Node: &nodetest.Node{Chain: c}})
	old := serve(t, &statetest.State{Node: &nodetest.Node{Chain: c}, NoHashes: true})
	for _, n := range []int{3, 30} {
		for _, final := range []bool{true, false} {
			for _, nonce := range []bool{true, false} {
				for _, every := range []uint64{1, 7} {
					for _, url := range []string{url, old} {
						name := fmt.Sprintf("%d accounts, final %v, nonce %v, every %d, %s", n, final, nonce, every, url)
						s := source(t, url, some(n)...)
						s.Nonce, s.Schedule = nonce, place.EveryBlocks(every)
						span, err := s.Span(t.Context(), follow.Extent{From: 10, To: 30, Final: final, Head: c.At(30).Ref})
						if err != nil {
							t.Fatalf("%s: %v", name, err)
						}
						var due []uint64
						for b := uint64(10); b <= 30; b++ {
							if b%every == 0 {
								due = append(due, b)
							}
						}
						if diff := cmp.Diff(rowsOf(c, due, some(n), nonce), span.Rows); diff != "" {
							t.Fatalf("%s (-want +got):\n%s", name, diff)
						}
						last := span.Blocks[len(span.Blocks)-1]
						if last.Number != 30 || last.End != len(span.Rows) || span.Parent != c.At(9).Hash || (!final && len(span.Blocks) != 21) {
							t.Errorf("%s: the span has %d blocks, the last is %+v", name, len(span.Blocks), last)
						}
					}
				}
			}
		}
	}
}

// Where a block was replaced while it was asked about, package follow is told, whether the node forgets it or goes by numbers.
func TestBlocksThatAreReplaced(t *testing.T) {
	for _, noHashes := range []bool{false, true} {
		c := nodetest.NewChain(40)
		var done atomic.Bool
		node := &nodetest.Node{Chain: c, Before: func(method string, _ ...any) error {
			if method == "eth_getBalance" && !done.Swap(true) {
				c.Reorg(3, 4)
				c.Forget()
			}
			return nil
		}}
		s := source(t, serve(t, &statetest.State{Node: node, NoHashes: noHashes}), some(2)...)
		_, err := s.Span(t.Context(), follow.Extent{From: 36, To: 40, Head: c.At(40).Ref})
		if !strings.Contains(fmt.Sprint(err), follow.ErrUnlinked.Error()) {
			t.Errorf("no hashes %v: got %v, want that the blocks do not follow one another", noHashes, err)
		}
	}
}

// A node without old states is named, with what would help.
func TestPrunedStates(t *testing.T) {
	c := nodetest.NewChain(40)
	url := serve(t, &statetest.State{Node: &nodetest.Node{Chain: c}, Oldest: 30})
	for _, n := range []int{1, 30} {
		_, err := source(t, url, some(n)...).Span(t.Context(), follow.Extent{From: 10, To: 12, Final: true})
		if chain.KindOf(err) != chain.Pruned || !strings.Contains(err.Error(), "which only an archive node has") || !strings.Contains(err.Error(), url) {
			t.Errorf("%d accounts: got %v", n, err)
		}
	}
}

// Addresses come and go between spans; what is no address is named.
func TestSet(t *testing.T) {
	set := balance.NewSet([]common.Address{{2}, {2}, {1}})
	if got := set.Addresses(); !slices.Equal(got, []common.Address{{1}, {2}}) {
		t.Errorf("at first: %v", got)
	}
	if others := set.Put([]string{"0x0300000000000000000000000000000000000000", "0x0100000000000000000000000000000000000000", "nobody"}); !slices.Equal(others, []string{"nobody"}) {
		t.Errorf("no addresses: %v", others)
	}
	if got := set.Addresses(); !slices.Equal(got, []common.Address{{1}, {2}, {3}}) {
		t.Errorf("with others: %v", got)
	}
	set.Put(nil)
	if got := set.Addresses(); len(got) != 2 {
		t.Errorf("without them: %v", got)
	}
}

// Without addresses there are no rows, and reading goes on.
func TestNobody(t *testing.T) {
	c := nodetest.NewChain(40)
	s := source(t, serve(t, &statetest.State{Node: &nodetest.Node{Chain: c}}))
	span, err := s.Span(t.Context(), follow.Extent{From: 10, To: 30, Final: true})
	if err != nil || len(span.Rows) != 0 || span.Blocks[len(span.Blocks)-1].Number != 30 {
		t.Errorf("got %+v, %v", span, err)
	}
}

// Ten thousand accounts of a real node, in ether and in a token.
func TestManyBalancesOfARealNode(t *testing.T) {
	at := common.Address{0x70}
	// It answers balanceOf with 1000 times the last byte of the address, and reverts where that is 0xff.
	code := common.FromHex("600435" + "60ff16" + "80" + "60ff" + "14" + "601a" + "57" + "6103e8" + "02" + "600052" + "60206000f3" + "00" + "5b" + "60006000fd")
	n := realnode.Start(t, map[common.Address][]byte{at: code})
	addresses := some(9_999)
	n.Send(t, &addresses[5], big.NewInt(12345), nil)
	n.Commit()
	s := source(t, n.HTTP(t), append([]common.Address{n.Rich}, addresses...)...)
	head := n.Head()
	e := follow.Extent{From: 1, To: 1, Head: view.Ref{Number: 1, Hash: head.Hash(), Parent: head.ParentHash}}
	span, err := s.Span(t.Context(), e)
	if err != nil || len(span.Rows) != 10_000 {
		t.Fatalf("%d rows, %v", len(span.Rows), err)
	}
	for _, row := range span.Rows {
		want, err := uint256.NewInt(0), error(nil)
		if row.Address == n.Rich || row.Address == addresses[5] {
			var b *big.Int
			b, err = n.Client.BalanceAt(t.Context(), row.Address, nil)
			want = uint256.MustFromBig(b)
		}
		if err != nil || !row.Balance.Eq(want) {
			t.Errorf("%s has %v, want %v (%v)", row.Address, &row.Balance, want, err)
		}
	}
	s.Token = &at
	if _, err := s.Span(t.Context(), e); err == nil || !strings.Contains(err.Error(), "does not tell what 0x00000000000000000000000000000000000003fF has (it reverted without a reason)") &&
		!strings.Contains(err.Error(), "(execution reverted)") {
		t.Errorf("a token that reverts: %v", err)
	}
	s.Set = balance.NewSet(addresses[30:200])
	if span, err = s.Span(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	for _, row := range span.Rows {
		if want := 1000 * uint64(row.Address[19]); *row.Token != at || row.Balance.Uint64() != want || row.Address[19] == 0xff {
			t.Errorf("%s has %v of the token, want %d", row.Address, &row.Balance, want)
		}
	}
}
