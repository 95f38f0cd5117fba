network "mainnet" {
  chain_id = 1
  endpoint "primary" {
    url = env("ETH_RPC_URL")
  }
}

pipeline "p" {
  reader "eth.blocks" "blocks" {}
  subscriber "uniswap.swaps" "swaps" {}
  aggregator "uniswap.pair_totals" "a" {
    policy "blok" {}
  }
  aggregator "uniswap.pair_totals" "b" {
    policy "epoch" {
      on = "blocks"
    }
  }
  aggregator "uniswap.pair_totals" "c" {
    policy "trigger" {
      bucket  = "first"
      timeout = "soon"
      max     = -1
      require = "perhaps"
    }
  }
  aggregator "uniswap.pair_totals" "d" {
    policy "trigger" {
      on = "block"
    }
  }
  aggregator "uniswap.pair_totals" "e" {
    policy = "block"
  }
  aggregator "uniswap.pair_totals" "f" {
    policy {}
  }
  aggregator "uniswap.pair_totals" "g" {
    policy "block" {}
    policy "block" {}
  }
}
