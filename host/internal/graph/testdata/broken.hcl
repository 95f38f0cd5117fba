network "mainnet" {
  chain_id = 1
  endpoint "primary" { url = "http://localhost:8545" }
}

# Mistakes in one step must not be reported again as something missing.
pipeline "swaps" {
  reader "eth.lgos" "logs" {}
  reader "eth.blocks" "blocks" {}
  subscriber "uniswap.swaps" "swaps" { input = lgos }
  loader "sqlite" "store" { input = swaps }
}
