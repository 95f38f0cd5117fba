variable "pairs" {
  type        = list(string)
  default     = ["0xa", "0xb"]
  description = "addresses of pairs"
}

locals {
  file  = "${local.chain}-${local.depth}.db"
  chain = "mainnet"
  depth = min(12, 99)
  chains = {
    mainnet = 3
    base    = 7
  }
}

network "mainnet" {
  chain_id = 1
  endpoint "primary" {
    url  = env("ETH_RPC_URL")
    rate = "25/s"
  }
  endpoint "local" {
    url = trimspace(file("socket.txt"))
  }
  endpoint "archive" {
    url     = "https://archive.example"
    role    = "archive"
    rate    = "100000000/day; 20000/minute;2500/second"
    cost    = 2.5
    weights = { eth_getLogs = 75, eth_call = 26 }
    headers = { Authorization = "Bearer hunter3" }
    batch   = 50
  }
  endpoint "files" {
    url  = "era1:history"
    role = "fallback"
  }
  rpc {
    timeout = "15s"
    retries = 0
    hedge   = "1.5s"
    cache   = "1MiB"
    breaker {
      failures = 3
      rest     = "30s"
    }
  }
  finality = 12
}

network "base" {
  chain_id = tonumber("8453")
  layer    = 2
  endpoint "primary" {
    url = env("BASE_URL", "wss://base.example")
  }
}

host {
  data_dir      = "data"
  plugin_dir    = "/opt/plugins"
  hard_terminate_after = "10s"
  start_timeout = "1.5s"
  restart {
    max    = 5
    within = "1m"
  }
}

pipeline "swaps" {
  network = network.mainnet
  from    = 19000000
  to      = 19000100
  epoch {
    size   = 10
    offset = 2
  }
  hang_after   = "90s"
  wait_at_most = "1h"
  checkpoint {
    every     = "250ms"
    timeout   = "2m"
    max_state = "64MiB"
  }
  poison {
    attempts  = 5
    max_share = 0.002
  }

  reader "eth.blocks" "blocks" {}
  reader "eth.logs" "logs" {
    addresses = [for p in var.pairs : replace(upper(p), "0X", "0x")]
    batch     = "500"
    confirm   = null
    extra     = { depth = [1, null] }

    retry_policy {
      attempts = 3
    }
    filter {
      topics = ["b", "a", "b"]
    }
    filter {}
  }
  subscriber "uniswap.swaps" "pair" {
    for_each = { a = var.pairs[0], b = var.pairs[1] }
    input    = logs
  }
  aggregator "uniswap.pair_totals" "total" {
    for_each = toset(["b", "a"])
    inputs   = { swaps = pair[each.key], blocks = blocks }
  }
  aggregator "uniswap.pair_totals" "latest" {
    inputs = [blocks, pair["b"]]
    policy "trigger" {
      on      = "blocks"
      bucket  = "latest"
      require = true
      max     = 1000
      timeout = "30s"
    }
  }
  loader "sqlite" "store" {
    inputs = [pair, (total["a"])]
    path   = local.file
    after  = "final"
  }
}

pipeline "small" {
  network = "base"
  from    = "latest"
  reader "eth.blocks" "blocks" {}
}

pipeline "each" {
  for_each = local.chains
  network  = each.key
  from     = each.value
  reader "eth.logs" "logs" {}
  reader "eth.logs" "none" {
    for_each = []
  }
}

plugin "uniswap" {
  path = "bin/uniswap"
  dev  = true
  mtls = true
  env  = { LEVEL = "debug", N = 3 }
  limits {
    memory     = "512MiB"
    open_files = 64
    cpu        = 0.5
    processes  = 8
  }
  network = true
  sandbox {
    read  = ["tables"]
    write = ["/var/lib/pairs"]
  }
}

plugin "ethereum" {
  env = ["HOME", "NOT_SET"]
}
