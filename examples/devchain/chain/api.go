package chain

import (
	"context"

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

// Mine mines one block now.
func (api *devAPI) Mine(ctx context.Context) (Mined, error) {
	header, err := api.chain.Mine(ctx)
	if err != nil {
		return Mined{}, err
	}
	return Mined{Number: hexutil.Uint64(header.Number.Uint64()), Hash: header.Hash()}, nil
}

// Reorg replaces the newest depth blocks by depth+1 other ones.
func (api *devAPI) Reorg(ctx context.Context, depth uint64) (Branch, error) {
	return api.chain.Reorg(ctx, depth)
}
