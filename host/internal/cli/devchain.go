package cli

import (
	"github.com/spf13/cobra"
)

func (a *app) devchainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "devchain [flags of devchain]",
		Short: "Run a development chain to try pipelines on",
		Long: `Devchain runs a real go-ethereum node of its own, with tokens, pairs and steady
traffic, on http://127.0.0.1:8545 and ws://127.0.0.1:8546. All flags are those of
the program devchain, which stands beside penstock.`,
		Example: `  penstock devchain
  penstock devchain --block-time 200ms --seed 7
  penstock devchain --help`,
		DisableFlagParsing: true,
		Args:               cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			program, err := devchain()
			if err != nil {
				return err
			}
			return become(program, args)
		},
	}
}
