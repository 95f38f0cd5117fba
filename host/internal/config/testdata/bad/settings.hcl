network "mainnet" {
  chain_id = 1
  endpoint "primary" {
    url = env("ETH_RPC_URL")
  }
}

pipeline "p" {
  reader "eth.logs" "logs" {
    adresses  = ["0x1"]
    addresses = 5
    batch     = "many"
    confirm   = "perhaps"
    extra     = [local.nothing]

    retry_policy {
      wait    = 5
      atempts = 3
    }
    retry_policy {
      attempts = 3
    }
    filter "label" {}
    filter {
      topics = [["a"]]
    }
    filtr {}
  }
  reader "eth.logs" "forms" {
    retry_policy = { attempts = 3 }
    batch {}
  }
  loader "sqlite" "no_path" {
    input = logs
  }
  loader "sqlite" "null_path" {
    input = logs
    path  = null
  }
  loader "sqlite" "bare" {
    input = logs
    path  = swaps
  }
  loader "sqlite" "keyed" {
    for_each = ["a", "b"]
    input    = logs
    path     = each.vlue
  }
  reader "odd" "shape" {
    shape = []
  }
}
