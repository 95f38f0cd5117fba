network "mainnet" {
  chain_id = 1
  endpoint "primary" {
    url = env("ETH_RPC_URL")
  }
}

pipeline "several" {
  reader "eth.logs" "a" {}
  reader "eth.logs" "b" {}
  subscriber "uniswap.swaps" "swaps" {}
}
pipeline "required" {
  subscriber "uniswap.priced" "priced" {}
}
pipeline "cycle" {
  subscriber "loop.a" "a" {}
}
