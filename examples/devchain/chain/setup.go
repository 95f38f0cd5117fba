package chain

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// The base fee begins at one gwei, and blocks are kept less than half full, so that it falls from then on: no
// generated transaction is ever too cheap to be mined.
const (
	feeCap      = 100 * params.GWei
	legacyPrice = 10 * params.GWei
	tip         = params.GWei
)

// worth is how many stakes of each token a trader has: random swaps and transfers do not use it up in a lifetime.
const worth = 1_000

// setup collects the transactions of the first blocks. The first error ends it and is kept.
type setup struct {
	*world
	blocks [][]*types.Transaction
	gas    uint64 // gas limits of the last block together
	err    error
}

// setupBlocks deploys the contracts, creates the pairs, hands out tokens and fills the pairs, in this order and each
// in blocks of its own.
func setupBlocks(w *world) ([][]*types.Transaction, error) {
	s := &setup{world: w}
	for _, step := range []func(){s.deploy, s.createPairs, s.handOut, s.provide} {
		s.nextBlock()
		step()
	}
	return s.blocks, s.err
}

func (s *setup) nextBlock() {
	s.blocks, s.gas = append(s.blocks, nil), 0
}

func (s *setup) deploy() {
	supply := big.NewInt(2 * worth * (traders + 1))
	for _, token := range s.Tokens {
		total := new(big.Int).Mul(token.stake, supply)
		data, err := s.set.Token.Deployment(token.Name, token.Symbol, token.Decimals, total)
		s.send(s.deployer, nil, 1_500_000, data, err)
	}
	data, err := s.set.Factory.Deployment()
	s.send(s.deployer, nil, 4_000_000, data, err)
	data, err = s.set.Router.Deployment(s.Factory)
	s.send(s.deployer, nil, 2_000_000, data, err)
}

func (s *setup) createPairs() {
	for _, pair := range s.Pairs {
		data, err := s.set.Factory.ABI.Pack("createPair", pair.Token0, pair.Token1)
		s.send(s.deployer, &s.Factory, 2_500_000, data, err)
	}
}

// handOut gives tokens to all who trade, who let the router have all it asks for.
func (s *setup) handOut() {
	everything := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	for _, to := range append([]*account{s.outsider}, s.traders...) {
		for i := range s.Tokens {
			token := &s.Tokens[i]
			data, err := s.set.Token.ABI.Pack("transfer", to.address, new(big.Int).Mul(token.stake, big.NewInt(worth)))
			s.send(s.deployer, &token.Address, 100_000, data, err)
			data, err = s.set.Token.ABI.Pack("approve", s.Router, everything)
			s.send(to, &token.Address, 100_000, data, err)
		}
		for i := range s.Pairs {
			data, err := s.set.Pair.ABI.Pack("approve", s.Router, everything)
			s.send(to, &s.Pairs[i].Address, 100_000, data, err)
		}
	}
}

func (s *setup) provide() {
	hub := s.Tokens[0]
	for _, from := range s.traders {
		for _, pair := range s.Pairs {
			token := s.Tokens[pair.other]
			data, err := s.set.Router.ABI.Pack("add", hub.Address, token.Address, hub.stake, token.stake, from.address)
			s.send(from, &s.Router, 400_000, data, err)
		}
	}
}

// send adds a transaction, in a new block when the last one has no room for it.
func (s *setup) send(from *account, to *common.Address, gas uint64, data []byte, err error) {
	if s.err != nil {
		return
	}
	if err != nil {
		s.err = err
		return
	}
	tx, err := s.sign(from, func(nonce uint64) types.TxData {
		return &types.DynamicFeeTx{
			ChainID: s.signer.ChainID(), Nonce: nonce, To: to, Gas: gas, Data: data,
			GasTipCap: big.NewInt(tip), GasFeeCap: big.NewInt(feeCap),
		}
	})
	if err != nil {
		s.err = err
		return
	}
	if s.gas+gas > gasLimit {
		s.nextBlock()
	}
	s.gas += gas
	last := len(s.blocks) - 1
	s.blocks[last] = append(s.blocks[last], tx)
}
