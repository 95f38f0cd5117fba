network "a" {
  chain_id = 0
  layer    = 3
  finality = "soon"
  endpoint "x" {
    url  = "ftp://example.com"
    rate = "fast"
  }
  endpoint "y" {
    url  = "http://"
    rate = "0/s"
  }
  endpoint "z" {
    url = ""
  }
}
network "b" {
  chain_id = -1
}
network "c" {
  chain_id = null
  layer    = 1.5
}
pipeline "none" {
  reader "eth.blocks" "blocks" {}
}
pipeline "unknown" {
  network = "d"
  reader "eth.blocks" "blocks" {}
}
pipeline "unknown2" {
  network = network.aa
  reader "eth.blocks" "blocks" {}
}
