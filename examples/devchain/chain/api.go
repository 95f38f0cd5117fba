package chain

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// devAPI lets programs outside of this process drive the chain, as the JSON-RPC methods dev_mine and dev_reorg.
type devAPI struct {
	chain *Chain
}

// Mined is what dev_mine returns.
type Mined struct {
	Number hexutil.Uint64 `json:"number"`
	Hash   common.Hash    `json:"hash"`
}

// Mine mines one block now. Its time is as many seconds later than the clock says as are given, if any are.
func (api *devAPI) Mine(ctx context.Context, later *uint32) (Mined, error) {
	var by time.Duration
	if later != nil {
		by = time.Duration(*later) * time.Second
	}
	header, err := api.chain.MineLater(ctx, by)
	if err != nil {
		return Mined{}, err
	}
	return Mined{Number: hexutil.Uint64(header.Number.Uint64()), Hash: header.Hash()}, nil
}

// Reorg replaces the newest depth blocks by depth+1 other ones.
func (api *devAPI) Reorg(ctx context.Context, depth uint64) (Branch, error) {
	return api.chain.Reorg(ctx, depth)
}
