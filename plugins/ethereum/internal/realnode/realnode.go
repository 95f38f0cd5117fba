// Package realnode is go-ethereum itself for tests: one node with an account that can pay and contracts of the test's, over HTTP and
// WebSocket, with everything that it can be asked, tracers and pool included.
package realnode

import (
	"crypto/ecdsa"
	"maps"
	"math/big"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/catalyst"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/eth/tracers"
	_ "github.com/ethereum/go-ethereum/eth/tracers/native" // the call tracer
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

// ChainID is that of the chain.
const ChainID = 1337

// Node is a node whose blocks come when they are told to.
type Node struct {
	Client *ethclient.Client
	Server *rpc.Server // answers without a transport; tests may add to it
	Key    *ecdsa.PrivateKey
	Rich   common.Address // has the key, and a million ether

	backend *eth.Ethereum
	beacon  *catalyst.SimulatedBeacon
	nonce   uint64
}

// Start starts a node with contracts in its genesis block. It ends with the test.
func Start(tb testing.TB, code map[common.Address][]byte) *Node {
	tb.Helper()
	key, err := crypto.ToECDSA(common.LeftPadBytes([]byte{7}, 32))
	check(tb, err)
	n := &Node{Key: key, Rich: crypto.PubkeyToAddress(key.PublicKey)}
	alloc := core.SystemContractAllocs()
	alloc = maps.Clone(alloc)
	alloc[n.Rich] = types.Account{Balance: new(big.Int).Mul(big.NewInt(1e6), big.NewInt(params.Ether))}
	for address, bytes := range code {
		alloc[address] = types.Account{Code: bytes, Balance: new(big.Int)}
	}
	config := ethconfig.Defaults
	config.Genesis = &core.Genesis{Config: params.AllDevChainProtocolChanges, GasLimit: 30_000_000, Alloc: alloc, BaseFee: big.NewInt(params.InitialBaseFee)}
	config.SyncMode, config.LogNoHistory = ethconfig.FullSync, true
	config.TxPool.NoLocals = true
	config.TrieCleanCache, config.TrieDirtyCache, config.SnapshotCache, config.DatabaseCache = 16, 16, 0, 16
	stack, err := node.New(&node.Config{P2P: p2p.Config{NoDiscovery: true, NoDial: true}, HTTPModules: []string{"eth"}})
	check(tb, err)
	n.backend, err = eth.New(stack, &config)
	check(tb, err)
	stack.RegisterAPIs(tracers.APIs(n.backend.APIBackend))
	stack.RegisterAPIs([]rpc.API{{Namespace: "eth", Service: filters.NewFilterAPI(filters.NewFilterSystem(n.backend.APIBackend, filters.Config{}))}})
	check(tb, stack.Start())
	n.beacon, err = catalyst.NewSimulatedBeacon(0, common.Address{}, n.backend)
	check(tb, err)
	check(tb, n.beacon.Fork(n.backend.BlockChain().GetCanonicalHash(0)))
	n.Server, err = stack.RPCHandler()
	check(tb, err)
	n.Client = ethclient.NewClient(stack.Attach())
	tb.Cleanup(func() {
		n.Client.Close()
		check(tb, n.beacon.Stop())
		check(tb, stack.Close())
	})
	return n
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// HTTP serves the node and returns its URL.
func (n *Node) HTTP(tb testing.TB) string {
	tb.Helper()
	s := httptest.NewServer(n.Server)
	tb.Cleanup(s.Close)
	return s.URL
}

// WebSocket serves the node and returns its URL.
func (n *Node) WebSocket(tb testing.TB) string {
	tb.Helper()
	s := httptest.NewServer(n.Server.WebsocketHandler([]string{"*"}))
	tb.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// Send signs a transaction and puts it into the pool.
func (n *Node) Send(tb testing.TB, to *common.Address, value *big.Int, data []byte) *types.Transaction {
	tb.Helper()
	tx, err := types.SignNewTx(n.Key, types.LatestSignerForChainID(big.NewInt(ChainID)), &types.DynamicFeeTx{
		ChainID: big.NewInt(ChainID), Nonce: n.nonce, To: to, Value: value, Data: data, Gas: 2_000_000,
		GasTipCap: big.NewInt(int64(1+n.nonce%5) * params.GWei), GasFeeCap: big.NewInt(100 * params.GWei),
	})
	check(tb, err)
	check(tb, n.Client.SendTransaction(tb.Context(), tx))
	n.nonce++
	return tx
}

// Commit mines a block.
func (n *Node) Commit() common.Hash { return n.beacon.Commit() }

// Head is the newest block.
func (n *Node) Head() *types.Header { return n.backend.BlockChain().CurrentHeader() }
