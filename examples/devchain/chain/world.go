package chain

import (
	"crypto/ecdsa"
	"encoding/binary"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/penstock-io/penstock/examples/devchain/contracts"
)

// FaucetKey is the private key of an account with a million ether that the generator leaves alone. It is the first
// key of the well-known test mnemonic, 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266, which wallets and tools know.
const FaucetKey = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"

const traders = 8

// Contracts are the addresses of what the chain has deployed.
type Contracts struct {
	Factory common.Address
	Router  common.Address
	Tokens  []Token // the first one is in every pair
	Pairs   []Pair
}

// Token is an ERC-20 token.
type Token struct {
	Address  common.Address
	Name     string
	Symbol   string
	Decimals uint8

	stake *big.Int // what each trader puts into a pair at first; traffic comes in fractions of it
}

// Pair is a constant-product pair; Token0 has the lower address.
type Pair struct {
	Address, Token0, Token1 common.Address

	other int // index of the token that the pair trades against the first one
}

// account signs transactions. Its nonce counts what it has signed, mined or not.
type account struct {
	key     *ecdsa.PrivateKey
	address common.Address
	nonce   uint64
}

// world is who acts and on what. All addresses follow from the seed, so they are known before anything is deployed.
type world struct {
	Contracts
	set      contracts.Set
	signer   types.Signer
	deployer *account
	outsider *account // acts on the new branch of a reorganisation only
	traders  []*account
}

func newWorld(seed uint64, pairs int) (*world, error) {
	set, err := contracts.Load()
	if err != nil {
		return nil, err
	}
	w := &world{set: set, signer: types.LatestSignerForChainID(big.NewInt(ChainID)), traders: make([]*account, traders)}
	if w.deployer, err = newAccount(seed, "deployer", 0); err != nil {
		return nil, err
	}
	if w.outsider, err = newAccount(seed, "outsider", 0); err != nil {
		return nil, err
	}
	for i := range w.traders {
		if w.traders[i], err = newAccount(seed, "trader", i); err != nil {
			return nil, err
		}
	}
	w.place(pairs)
	return w, nil
}

// place works out the addresses. The deployer creates the tokens first, then the factory, then the router.
func (w *world) place(pairs int) {
	for i := range pairs + 1 {
		token := tokenNumber(i)
		token.Address = crypto.CreateAddress(w.deployer.address, uint64(i))
		w.Tokens = append(w.Tokens, token)
	}
	w.Factory = crypto.CreateAddress(w.deployer.address, uint64(len(w.Tokens)))
	w.Router = crypto.CreateAddress(w.deployer.address, uint64(len(w.Tokens)+1))
	code := crypto.Keccak256(w.set.Pair.Bytecode)
	for i := 1; i <= pairs; i++ {
		low, high := w.Tokens[0].Address, w.Tokens[i].Address
		if low.Cmp(high) > 0 {
			low, high = high, low
		}
		salt := crypto.Keccak256Hash(low[:], high[:])
		w.Pairs = append(w.Pairs, Pair{
			Address: crypto.CreateAddress2(w.Factory, salt, code), Token0: low, Token1: high, other: i,
		})
	}
}

// tokenNumber describes the i-th token. Decimals and worth differ as they do among real ones.
func tokenNumber(i int) Token {
	known := []struct {
		name, symbol string
		decimals     uint8
		stake        int64 // whole tokens
	}{
		{"Reservoir", "RSV", 18, 1_000},
		{"Turbine", "TRB", 6, 2_500_000},
		{"Sluice", "SLC", 18, 40_000},
		{"Weir", "WEIR", 8, 60},
		{"Spillway", "SPL", 18, 800_000_000},
	}
	if i >= len(known) {
		return newToken(fmt.Sprintf("Basin %d", i), fmt.Sprintf("BSN%d", i), 18, 10_000)
	}
	k := known[i]
	return newToken(k.name, k.symbol, k.decimals, k.stake)
}

func newToken(name, symbol string, decimals uint8, stake int64) Token {
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	return Token{Name: name, Symbol: symbol, Decimals: decimals, stake: unit.Mul(unit, big.NewInt(stake))}
}

func newAccount(seed uint64, role string, i int) (*account, error) {
	secret := binary.BigEndian.AppendUint64([]byte("penstock devchain "+role), seed)
	key, err := crypto.ToECDSA(crypto.Keccak256(binary.BigEndian.AppendUint64(secret, uint64(i))))
	if err != nil {
		return nil, fmt.Errorf("derive the key of %s %d from seed %d: %w", role, i, seed, err)
	}
	return &account{key: key, address: crypto.PubkeyToAddress(key.PublicKey)}, nil
}

// rich are the accounts that the genesis block gives ether.
func (w *world) rich() ([]common.Address, error) {
	faucet, err := crypto.HexToECDSA(FaucetKey)
	if err != nil {
		return nil, fmt.Errorf("decode the faucet's key: %w", err)
	}
	out := []common.Address{crypto.PubkeyToAddress(faucet.PublicKey), w.deployer.address, w.outsider.address}
	for _, a := range w.traders {
		out = append(out, a.address)
	}
	return out, nil
}

// sign signs the transaction with the account's next nonce.
func (w *world) sign(from *account, inner func(nonce uint64) types.TxData) (*types.Transaction, error) {
	tx, err := types.SignNewTx(from.key, w.signer, inner(from.nonce))
	if err != nil {
		return nil, fmt.Errorf("sign transaction %d of %s: %w", from.nonce, from.address, err)
	}
	from.nonce++
	return tx, nil
}
