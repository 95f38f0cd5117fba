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
  rpc {
    timeout = "soon"
    retries = 5000
    hedge   = "-2s"
    cache   = "64"
    tries   = 3
    breaker {
      failures = 0
      rest     = "0s"
      reset    = "1m"
    }
  }
  rpc {}
  rpcs {}
}
network "e" {
  chain_id = 5
  endpoint "no_scheme" {
    url   = "localhost:8545"
    roles = "primary"
  }
  endpoint "no_scheme_either" {
    url  = "user:pass@node.example/v3/0123456789abcdef"
    role = "backup"
  }
  endpoint "ipc_scheme" {
    url   = "ipc:///run/geth.ipc"
    batch = 0
    cost  = 0
  }
  endpoint "slip" {
    url = "htps://node.example"
  }
  endpoint "half" {
    url = "http:/node.example"
  }
  endpoint "nowhere" {
    url     = "era1:"
    weights = { eth_getlogs = 75, eth_getLog = 5, logs = 1, eth_call = -1 }
  }
  endpoint "socket" {
    url     = "run/geth.ipc"
    headers = { Authorization = "Bearer k" }
    rate    = "25/fortnight"
  }
  endpoint "headers" {
    url     = "http://node.example"
    headers = { "X Key" = "hunter22", "X-Other" = "hunter23\n" }
    rate    = "10/s;0/m"
    weights = "heavy"
  }
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
