network "mainnet" {
  chain_id = 1
  endpoint "primary" { url = "http://localhost:8545" }
}

# What reads a step that is not understood has its input all the same.
pipeline "swaps" {
  reader "eth.logs" "logs" {}
  subscriber "uniswap.swpas" "swaps" { input = logs }
  loader "sqlite" "store" {
    input = swaps
    path  = "swaps.db"
  }
}
