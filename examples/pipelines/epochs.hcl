# Epochs: an aggregator that sees ten blocks at a time, each ten only once the
# head is two blocks past them.
#
#   penstock run --devchain examples/pipelines/epochs.hcl

network "ethereum" {
  endpoint "node" {
    url = env("ETH_RPC_URL", "http://127.0.0.1:8545")
  }
}

variable "from" {
  type    = number
  default = 1
}

pipeline "epochs" {
  from = var.from # the first epoch begins here

  epoch {
    size   = 10
    offset = 2
  }

  reader "eth.blocks" "blocks" {
    receipts = false
  }

  # The aggregator reads what its register depends on: the step blocks above,
  # and a step uniswap.swaps with the logs that it needs, which are added.
  aggregator "uniswap.pair_totals" "totals" {
    policy "epoch" {}
  }

  loader "console" "show" {
    input   = totals
    columns = ["begin", "block_number", "pair", "swaps", "volume0", "volume1"]
  }
}
