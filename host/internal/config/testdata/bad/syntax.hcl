network "mainnet" {
  chain_id = 1
  endpoint "primary" {
    url = env("ETH_RPC_URL")
  }
}

pipeline "p" {
  reader "eth.logs" "logs" {
    addresses = = []
  }
  loader "console" "print" {
    input = lgs # not looked at: the block has a mistake in its syntax
  }
}
pipeline "q" {
  from = "x"
  reader "eth.lgos" "logs" {}
}
