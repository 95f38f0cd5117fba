pipeline "p" {
  network = "mainnet"
  reader "eth.blocks" "blocks" {}
}
