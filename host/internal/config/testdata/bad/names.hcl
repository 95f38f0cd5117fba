netwrk "mainnet" {
  chain_id = 1
}
chain = 5

network {
  chain_id = 1
}
network "a b" {
  chain_id = 1
}
network "mainnet" "extra" {
  chain_id = 1
}
network "mainnet" {
  chain_id = 1
  finalty  = "safe"
  endpoint = "http://localhost"
  endpoint "a" {
    url = "http://localhost"
    keys {}
  }
  endpoint "a" {
    url = "http://localhost"
  }
}
network "mainnet" {
  chain_id = 2
}
pipeline "p" {
  reader "eth.logs" {}
  reader "eth.logs" "each" {}
  reader "eth.logs" "logs" {}
  loader "console" "logs" {
    input = logs
  }
  subscribr "uniswap.swaps" "swaps" {
    input = logs
  }
  epoch {
    size = 1
  }
  epoch {
    size = 2
  }
  network "mainnet" {}
}
