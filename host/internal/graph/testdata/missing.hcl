network "mainnet" {
  chain_id = 1
  endpoint "primary" { url = "http://localhost:8545" }
}

pipeline "swaps" {
  reader "eth.logs" "logs" {}
  subscriber "uniswap.swaps" "swaps" {
    for_each = ["usdc", "weth"]
    pair     = each.key
    input    = logs
  }
  aggregator "uniswap.pair_totals" "totals" {
    inputs = { swaps = swaps["usdc"] }
  }
  loader "console" "empty" {}
  loader "console" "twice" { inputs = [totals, totals] }
  loader "console" "after" { input = twice }
}

pipeline "blocks" {
  subscriber "old.swaps" "old" {}
}
