# A plugin of somebody else's: examples/whale, built into the plugin directory.
#
#   (cd examples/whale && go build -o ../../bin/plugins/whale .)
#   penstock run --devchain examples/pipelines/whale.hcl

network "ethereum" {
  endpoint "node" {
    url = env("ETH_RPC_URL", "http://127.0.0.1:8545")
  }
}

pipeline "whales" {
  from = "latest"

  # The logs that swaps are decoded from need no step of their own: the register
  # uniswap.swaps depends on eth.logs, so one is added.
  subscriber "uniswap.swaps" "swaps" {}

  subscriber "whale.alert" "whales" {
    input = swaps
    above = 1000
  }

  loader "console" "show" {
    input = whales
  }
}
