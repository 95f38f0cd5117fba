network "mainnet" {
  chain_id = 1
  endpoint "primary" {
    url = env("ETH_RPC_URL")
  }
}

pipeline "p" {
  reader "eth.logs" "number" {
    for_each = 5
  }
  reader "eth.logs" "objects" {
    for_each = [{ a = 1 }]
  }
  reader "eth.logs" "twice" {
    for_each = ["a", "a"]
  }
  reader "eth.logs" "empty" {
    for_each = [""]
  }
  reader "eth.logs" "unknown" {
    for_each = local.nothing
  }
  reader "eth.logs" "keyed" {
    for_each  = { a = "0x1" }
    addresses = [each.key, each.valeu]
  }
}
