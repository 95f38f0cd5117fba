network "mainnet" {
  chain_id = 1
  endpoint "primary" {
    url = "http://localhost:8545"
  }
}

pipeline "everything" {
  loader "totals.report" "report" {}
}

pipeline "some" {
  reader "eth.logs" "mine" {
    batch = 7
  }
  aggregator "uniswap.pair_totals" "swaps" {}
  loader "console" "blocks" {
    input = swaps
  }
}
