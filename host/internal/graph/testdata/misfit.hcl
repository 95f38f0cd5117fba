network "mainnet" {
  chain_id = 1
  endpoint "primary" { url = "http://localhost:8545" }
}

pipeline "swaps" {
  reader "eth.logs" "logs" {}
  reader "eth.blocks" "blocks" {}
  subscriber "uniswap.swaps" "swaps" { input = logs }
  subscriber "old.swaps" "old" { input = swaps }
  aggregator "uniswap.pair_totals" "totals" {
    inputs = [swaps, blocks] # the wrong way round
  }
  loader "console" "print" { inputs = [old, totals] }
}
