network "mainnet" {
  chain_id = 1
  endpoint "primary" {
    url = env("ETH_RPC_URL")
  }
}

pipeline "p" {
  reader "eth.lgos" "unknown" {
    addresses = var.nothing
  }
  reader "uniswap.swaps" "kind" {}
  loader "eth.logs" "kind2" {
    input = logs
  }
  reader "eth.logs" "logs" {
    input = blocks
  }
  reader "eth.blocks" "blocks" {
    after = "final"
    policy "block" {}
  }
  reader "eth.logs" "keyed" {
    for_each = ["a", "b"]
  }
  subscriber "uniswap.swaps" "swaps" {
    input = logz
  }
  subscriber "uniswap.swaps" "quotes" {
    input = "logs"
  }
  subscriber "uniswap.swaps" "register" {
    input = eth.logs
  }
  subscriber "uniswap.swaps" "column" {
    input = logs.address
  }
  subscriber "uniswap.swaps" "key" {
    input = logs["a"]
  }
  subscriber "uniswap.swaps" "nokey" {
    input = keyed["c"]
  }
  subscriber "uniswap.swaps" "nostep" {
    input = nothing["c"]
  }
  subscriber "uniswap.swaps" "computed" {
    input = upper(logs)
  }
  subscriber "uniswap.swaps" "two" {
    inputs = [logs, blocks]
  }
  subscriber "uniswap.swaps" "both" {
    input  = logs
    inputs = [logs]
  }
  subscriber "uniswap.swaps" "all" {
    input = keyed
  }
  subscriber "uniswap.swaps" "named" {
    inputs = { logs = logs }
  }
  aggregator "uniswap.pair_totals" "ports" {
    inputs = { block = blocks, swap = logs }
  }
  aggregator "uniswap.pair_totals" "again" {
    inputs = { swaps = logs, swaps = blocks }
  }
  aggregator "uniswap.pair_totals" "double" {
    inputs = { swaps = [logs, keyed], blocks = blocks }
  }
  loader "console" "print" {
    inputs = logs
    after  = "finalized"
  }
}
