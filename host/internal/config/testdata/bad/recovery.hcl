network "mainnet" {
  chain_id = 1
  endpoint "primary" {
    url = "http://127.0.0.1:8545"
  }
}

pipeline "swaps" {
  from       = 1
  hang_after = "soon"
  checkpoint {
    every     = "0s"
    timeout   = 5
    max_state = "lots"
    evry      = "1s"
  }
  checkpoint {}
  poison {
    attempts  = 1
    max_share = "1%"
  }
  reader "eth.logs" "logs" {}
}
