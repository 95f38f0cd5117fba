package chain

import (
	"fmt"
	"math/big"
	"math/rand/v2"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// traffic makes transactions up. What it makes depends on the seed alone, never on the chain: amounts that depend
// on the reserves are left to the router contract. So the same transactions can be mined again on another branch.
type traffic struct {
	*world
	rng *rand.Rand
}

// action is a transaction but for its sender, nonce and fees.
type action struct {
	to    common.Address
	value *big.Int
	gas   uint64
	data  []byte
}

func newTraffic(w *world, seed uint64) *traffic {
	return &traffic{world: w, rng: rand.New(rand.NewPCG(seed, 0x70656e73746f636b))}
}

// next makes n transactions, to be mined in this order.
func (t *traffic) next(n int) ([]*types.Transaction, error) {
	out := make([]*types.Transaction, 0, n)
	for range n {
		from := t.trader()
		do, err := t.action(from)
		if err != nil {
			return nil, fmt.Errorf("make a transaction of %s: %w", from.address, err)
		}
		tx, err := t.sign(from, t.envelope(do))
		if err != nil {
			return nil, err
		}
		out = append(out, tx)
	}
	return out, nil
}

// intrude makes one large swap in every pair, by an account that does nothing else. Mined before transactions that
// have been mined before, it changes what these do and which logs they leave.
func (t *traffic) intrude() ([]*types.Transaction, error) {
	var txs []*types.Transaction
	for _, pair := range t.Pairs {
		in, out := t.Tokens[0], t.Tokens[pair.other]
		if t.rng.IntN(2) == 0 {
			in, out = out, in
		}
		do, err := t.swap(in.stake, new(big.Int), t.outsider.address, in.Address, out.Address)
		if err != nil {
			return nil, err
		}
		tx, err := t.sign(t.outsider, t.envelope(do))
		if err != nil {
			return nil, err
		}
		txs = append(txs, tx)
	}
	return txs, nil
}

// action draws what the account does; the numbers are per cent.
func (t *traffic) action(from *account) (action, error) {
	switch roll := t.rng.IntN(100); {
	case roll < 40:
		return t.anySwap(from)
	case roll < 47:
		return t.twoSwaps(from)
	case roll < 49:
		return t.largeSwap(from)
	case roll < 51:
		return t.failingSwap(from)
	case roll < 60:
		return t.add(from)
	case roll < 67:
		return t.remove(from)
	case roll < 87:
		return t.transfer()
	case roll < 89:
		return t.transferShares()
	case roll < 92:
		return t.approve()
	default:
		return t.ether(), nil
	}
}

func (t *traffic) anySwap(from *account) (action, error) {
	in, out := t.sides()
	return t.swap(t.fraction(in.stake, 10), new(big.Int), t.receiver(from), in.Address, out.Address)
}

// twoSwaps goes from one token to another through the token that all pairs share.
func (t *traffic) twoSwaps(from *account) (action, error) {
	if len(t.Pairs) < 2 {
		return t.anySwap(from)
	}
	order := t.rng.Perm(len(t.Pairs))
	in, out := t.Tokens[t.Pairs[order[0]].other], t.Tokens[t.Pairs[order[1]].other]
	return t.swap(t.fraction(in.stake, 10), new(big.Int), t.receiver(from), in.Address, t.Tokens[0].Address, out.Address)
}

func (t *traffic) largeSwap(from *account) (action, error) {
	in, out := t.sides()
	amount := new(big.Int).Add(in.stake, t.fraction(in.stake, 1))
	return t.swap(amount, new(big.Int), t.receiver(from), in.Address, out.Address)
}

// failingSwap asks for more than there is: its transaction is mined and reverts.
func (t *traffic) failingSwap(from *account) (action, error) {
	in, out := t.sides()
	return t.swap(t.fraction(in.stake, 10), new(big.Int).Lsh(big.NewInt(1), 200), from.address, in.Address, out.Address)
}

func (t *traffic) swap(amount, least *big.Int, to common.Address, path ...common.Address) (action, error) {
	data, err := t.set.Router.ABI.Pack("swap", amount, least, path, to)
	return action{to: t.Router, gas: 400_000, data: data}, err
}

func (t *traffic) add(from *account) (action, error) {
	hub, token := t.Tokens[0], t.Tokens[t.pair().other]
	data, err := t.set.Router.ABI.Pack("add", hub.Address, token.Address,
		t.fraction(hub.stake, 50), t.fraction(token.stake, 50), from.address)
	return action{to: t.Router, gas: 400_000, data: data}, err
}

func (t *traffic) remove(from *account) (action, error) {
	hub, token := t.Tokens[0], t.Tokens[t.pair().other]
	permille := big.NewInt(1 + t.rng.Int64N(20))
	data, err := t.set.Router.ABI.Pack("remove", hub.Address, token.Address, permille, t.receiver(from))
	return action{to: t.Router, gas: 400_000, data: data}, err
}

func (t *traffic) transfer() (action, error) {
	token := t.Tokens[t.rng.IntN(len(t.Tokens))]
	to := t.trader().address
	if t.rng.IntN(10) == 0 {
		to = t.stranger()
	}
	data, err := t.set.Token.ABI.Pack("transfer", to, t.fraction(token.stake, 10))
	return action{to: token.Address, gas: 100_000, data: data}, err
}

// transferShares moves a part of what a trader got when the pair was first filled.
func (t *traffic) transferShares() (action, error) {
	pair := t.pair()
	product := new(big.Int).Mul(t.Tokens[0].stake, t.Tokens[pair.other].stake)
	data, err := t.set.Pair.ABI.Pack("transfer", t.trader().address, t.fraction(product.Sqrt(product), 100))
	return action{to: pair.Address, gas: 100_000, data: data}, err
}

func (t *traffic) approve() (action, error) {
	token := t.Tokens[t.rng.IntN(len(t.Tokens))]
	data, err := t.set.Token.ABI.Pack("approve", t.trader().address, t.fraction(token.stake, 1))
	return action{to: token.Address, gas: 100_000, data: data}, err
}

func (t *traffic) ether() action {
	return action{to: t.trader().address, gas: params.TxGas, value: t.fraction(big.NewInt(params.Ether), 1)}
}

// envelope draws the type of the transaction and what it pays. A plain payment has no access list, which would
// cost more than its gas limit.
func (t *traffic) envelope(do action) func(nonce uint64) types.TxData {
	roll, offer := t.rng.IntN(100), big.NewInt(tip+t.rng.Int64N(params.GWei))
	price := new(big.Int).Add(big.NewInt(legacyPrice), offer)
	return func(nonce uint64) types.TxData {
		switch {
		case roll < 15:
			return &types.LegacyTx{Nonce: nonce, To: &do.to, Value: do.value, Gas: do.gas, GasPrice: price, Data: do.data}
		case roll < 20 && len(do.data) > 0:
			return &types.AccessListTx{
				ChainID: t.signer.ChainID(), Nonce: nonce, To: &do.to, Value: do.value, Gas: do.gas, GasPrice: price,
				Data: do.data, AccessList: types.AccessList{{Address: t.Factory}, {Address: do.to}},
			}
		default:
			return &types.DynamicFeeTx{
				ChainID: t.signer.ChainID(), Nonce: nonce, To: &do.to, Value: do.value, Gas: do.gas,
				GasTipCap: offer, GasFeeCap: big.NewInt(feeCap), Data: do.data,
			}
		}
	}
}

func (t *traffic) trader() *account {
	return t.traders[t.rng.IntN(len(t.traders))]
}

func (t *traffic) pair() Pair {
	return t.Pairs[t.rng.IntN(len(t.Pairs))]
}

// sides draws a pair and the direction of a swap in it.
func (t *traffic) sides() (in, out Token) {
	in, out = t.Tokens[0], t.Tokens[t.pair().other]
	if t.rng.IntN(2) == 0 {
		return out, in
	}
	return in, out
}

// receiver is mostly the sender.
func (t *traffic) receiver(from *account) common.Address {
	if t.rng.IntN(5) == 0 {
		return t.trader().address
	}
	return from.address
}

// stranger is an address that has never been seen.
func (t *traffic) stranger() (out common.Address) {
	for i := range out {
		out[i] = byte(t.rng.Uint32())
	}
	return out
}

// fraction draws an amount of at most stake/part, small ones being as likely as large ones in proportion. It
// computes with integers only, so that it is the same on every machine.
func (t *traffic) fraction(stake *big.Int, part int64) *big.Int {
	out := new(big.Int).Mul(stake, big.NewInt(1+t.rng.Int64N(1_000)))
	out.Div(out, big.NewInt(1_000*part))
	return out.Rsh(out, uint(t.rng.IntN(7)))
}
