package chain

import (
	"context"
	"fmt"
	"maps"
	"math/big"
	"net"
	"path/filepath"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

// gasLimit is that of every block.
const gasLimit = 60_000_000

// newNode puts together what go-ethereum's simulated backend puts together: a node without peers and with its
// database in memory. It does so itself because the simulated backend takes its block times from the wall clock,
// draws random numbers, and panics when a port is taken. The node is not started: it serves nobody yet.
func newNode(cfg Config, genesis *core.Genesis) (*node.Node, *eth.Ethereum, error) {
	nodeConfig, err := nodeConfig(cfg)
	if err != nil {
		return nil, nil, err
	}
	stack, err := node.New(nodeConfig)
	if err != nil {
		return nil, nil, fmt.Errorf("assemble node: %w", err)
	}
	backend, err := eth.New(stack, ethConfig(genesis))
	if err != nil {
		_ = stack.Close() // the error at hand says more
		return nil, nil, fmt.Errorf("assemble chain: %w", err)
	}
	filter := filters.NewFilterSystem(backend.APIBackend, filters.Config{})
	stack.RegisterAPIs([]rpc.API{{Namespace: "eth", Service: filters.NewFilterAPI(filter)}})
	backend.SetSynced() // there is nobody to synchronise with
	return stack, backend, nil
}

// probe finds out early, and with nothing to clean up, whether a port is taken.
func probe(ctx context.Context, cfg Config) error {
	for _, address := range slices.Compact([]string{cfg.HTTP, cfg.WS}) {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("serve the chain: %w", err)
		}
		if err := listener.Close(); err != nil {
			return fmt.Errorf("free %s again: %w", address, err)
		}
	}
	return nil
}

func nodeConfig(cfg Config) (*node.Config, error) {
	out := node.DefaultConfig
	out.Name = "devchain"
	out.DataDir = ""
	out.P2P = p2p.Config{NoDiscovery: true, NoDial: true}
	// Not "debug": debug_setHead would take the nonces of the generated transactions back unnoticed.
	modules := []string{"eth", "net", "web3", "txpool", "dev"}
	out.HTTPModules, out.WSModules = modules, modules
	var err error
	if out.HTTPHost, out.HTTPPort, err = splitAddress(cfg.HTTP); err != nil {
		return nil, err
	}
	if out.WSHost, out.WSPort, err = splitAddress(cfg.WS); err != nil {
		return nil, err
	}
	if cfg.IPC != "" {
		// A bare name would end up in the directory for temporary files.
		if out.IPCPath, err = filepath.Abs(cfg.IPC); err != nil {
			return nil, fmt.Errorf("IPC path: %w", err)
		}
	}
	return &out, nil
}

func ethConfig(genesis *core.Genesis) *ethconfig.Config {
	out := ethconfig.Defaults
	out.Genesis = genesis
	out.SyncMode = ethconfig.FullSync
	out.TxPool.NoLocals = true
	out.LogNoHistory = true // logs are found by the blooms of the headers
	out.Miner.GasCeil = gasLimit
	out.RPCTxFeeCap = 0
	// Megabytes. The defaults are for mainnet; the whole state here is a few megabytes.
	out.DatabaseCache, out.TrieCleanCache, out.TrieDirtyCache, out.SnapshotCache = 16, 16, 16, 0
	out.StateHistory = 128
	return &out
}

// newGenesis gives each of the accounts a million ether. All forks that mainnet has are active.
func newGenesis(time uint64, rich []common.Address) *core.Genesis {
	config := *params.AllDevChainProtocolChanges
	config.ChainID = big.NewInt(ChainID)
	config.BogotaTime = nil // not on mainnet
	alloc := types.GenesisAlloc{}
	maps.Copy(alloc, core.SystemContractAllocs())
	million := new(big.Int).Mul(big.NewInt(1_000_000), big.NewInt(params.Ether))
	for _, address := range rich {
		alloc[address] = types.Account{Balance: million}
	}
	return &core.Genesis{
		Config:    &config,
		Timestamp: time,
		GasLimit:  gasLimit,
		BaseFee:   big.NewInt(params.InitialBaseFee),
		ExtraData: []byte(extraData),
		Alloc:     alloc,
	}
}
