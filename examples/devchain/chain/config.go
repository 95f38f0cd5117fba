package chain

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// ChainID is the chain id and the network id.
	ChainID = 1337

	// DefaultTxPerBlock stands in for the zero value of Config.TxPerBlock.
	DefaultTxPerBlock = 12
	// DefaultPairs stands in for the zero value of Config.Pairs.
	DefaultPairs = 3

	// At most so many generated transactions fill less than half of a block's gas, so that the base fee falls to
	// its floor and stays there however long the chain runs.
	maxTxPerBlock = 200
	maxPairs      = 32
	maxBlocks     = 100_000
	minBlockTime  = 10 * time.Millisecond
)

// Config says what chain to start. The zero value is a chain for a test: it listens on a free port of 127.0.0.1
// and mines on demand.
type Config struct {
	HTTP string // host:port of the HTTP endpoint; empty: a free port of 127.0.0.1
	WS   string // host:port of the WebSocket endpoint; empty, or equal to HTTP: the same port as HTTP
	IPC  string // path of the IPC endpoint; empty: none

	BlockTime  time.Duration // how often a block is mined; 0: only by Mine
	Blocks     uint64        // head of the chain when Start returns; never less than the blocks that deploy the contracts
	Seed       uint64        // the same seed gives the same addresses and the same sequence of transactions
	TxPerBlock int           // generated transactions in a block; 0: DefaultTxPerBlock; negative: none
	Pairs      int           // 0: DefaultPairs

	// Now is the clock that block times are read from; nil: time.Now. With the same seed and the same clock even
	// the block hashes are the same, as long as blocks are mined by Mine alone.
	Now    func() time.Time
	Logger hclog.Logger // nil: silent
}

// withDefaults checks the configuration and fills in what was left out.
func (cfg Config) withDefaults() (Config, error) {
	cfg.HTTP = cmp.Or(cfg.HTTP, "127.0.0.1:0")
	cfg.WS = cmp.Or(cfg.WS, cfg.HTTP)
	cfg.TxPerBlock = max(cmp.Or(cfg.TxPerBlock, DefaultTxPerBlock), 0)
	cfg.Pairs = cmp.Or(cfg.Pairs, DefaultPairs)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	switch {
	case cfg.BlockTime != 0 && cfg.BlockTime < minBlockTime:
		return cfg, fmt.Errorf("block time %s: want 0 (mine on demand) or at least %s", cfg.BlockTime, minBlockTime)
	case cfg.TxPerBlock > maxTxPerBlock:
		return cfg, fmt.Errorf("%d transactions per block: want at most %d", cfg.TxPerBlock, maxTxPerBlock)
	case cfg.Pairs < 1 || cfg.Pairs > maxPairs:
		return cfg, fmt.Errorf("%d pairs: want 1 to %d", cfg.Pairs, maxPairs)
	case cfg.Blocks > maxBlocks:
		return cfg, fmt.Errorf("%d blocks of history: want at most %d", cfg.Blocks, maxBlocks)
	}
	for _, address := range []string{cfg.HTTP, cfg.WS} {
		if _, _, err := splitAddress(address); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("address %q: want host:port, for example 127.0.0.1:8545: %w", address, err)
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("address %q: want a port from 0 to 65535, got %q", address, text)
	}
	return cmp.Or(host, "127.0.0.1"), int(number), nil
}

// spacing is how far apart the times of two blocks of the history are: block times are whole seconds.
func (cfg Config) spacing() time.Duration {
	return max(cfg.BlockTime, time.Second)
}
