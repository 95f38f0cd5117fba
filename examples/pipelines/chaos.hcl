# What `penstock chaos` is tried with: several readers, a join by block and one
# by epochs, and loaders of every kind that hold
# every row once.
#
#   penstock chaos examples/pipelines/chaos.hcl --seed 7

host {
  # Plugins are killed far more often than by accident.
  restart {
    max    = 1000
    within = "1m"
  }
}

network "ethereum" {
  endpoint "node" {
    url = env("ETH_RPC_URL", "http://127.0.0.1:8545")
  }
  rpc {
    timeout = "3s" # nodes that fall silent are part of it
    breaker {
      failures = 5
      rest     = "2s"
    }
  }
}

variable "from" {
  type    = number
  default = 1
}

pipeline "chaos" {
  from = var.from

  epoch {
    size   = 10
    offset = 2
  }

  reader "eth.blocks" "blocks" {
    receipts = false
  }
  reader "eth.logs" "logs" {
    events = ["Swap(address,uint256,uint256,uint256,uint256,address)"]
  }

  subscriber "uniswap.swaps" "swaps" {
    input = logs
  }

  aggregator "uniswap.pair_totals" "by_block" {
    inputs = {
      blocks = blocks
      swaps  = swaps
    }
    policy "block" {}
  }
  aggregator "uniswap.pair_totals" "by_epoch" {
    inputs = {
      blocks = blocks
      swaps  = swaps
    }
    policy "epoch" {}
  }

  loader "sqlite" "store" {
    inputs = [blocks, swaps, by_block, by_epoch]
    path   = "chaos.db"
  }
  loader "jsonl" "lines" {
    inputs = [swaps, by_block]
    path   = "{step}.jsonl"
  }
  loader "csv" "sheets" {
    inputs = [blocks, by_epoch]
    path   = "{step}.csv"
    rotate {
      rows = 50
    }
  }
}
