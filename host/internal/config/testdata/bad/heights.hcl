network "mainnet" {
  chain_id = 1
  endpoint "primary" {
    url = env("ETH_RPC_URL")
  }
}

pipeline "backwards" {
  from = 10
  to   = 9
  reader "eth.blocks" "blocks" {}
}
pipeline "endless" {
  from = "latest"
  to   = 9
  reader "eth.blocks" "blocks" {}
}
pipeline "words" {
  from = "earliest"
  to   = "latest"
  epoch {
    size   = 0
    offset = -1
  }
  reader "eth.blocks" "blocks" {}
}
pipeline "fraction" {
  from = 1.5
  to   = 18446744073709551616
  epoch {}
  reader "eth.blocks" "blocks" {}
}
pipeline "empty" {}
