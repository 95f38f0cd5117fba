package ethclient_test

import (
	"context"
	"fmt"
	"log"

	"github.com/ethereum/go-ethereum/accounts/abi/bind"

	devchain "github.com/penstock-io/penstock/examples/devchain/chain"
	"github.com/penstock-io/penstock/sdk/chain"
	"github.com/penstock-io/penstock/sdk/chain/ethclient"
	"github.com/penstock-io/penstock/sdk/chain/nodetest"
)

// In a plugin the client comes from sdk.Chain(ctx); here one stands in for it that
// asks a chain of its own.
func ExampleNew() {
	ctx := context.Background()
	dev, err := devchain.Start(ctx, devchain.Config{Blocks: 10})
	if err != nil {
		log.Fatal(err)
	}
	defer dev.Close()
	host := &nodetest.Service{URL: dev.HTTPURL()}
	defer host.Close()

	client := ethclient.New(chain.NewClient(host, "dev", chain.Asker{}))
	defer client.Close()
	contract, err := newToken(dev.Contracts().Tokens[0].Address, client) // as abigen makes it
	if err != nil {
		log.Fatal(err)
	}
	symbol, err := contract.symbol(&bind.CallOpts{Context: ctx})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(symbol)
	// Output: RSV
}
