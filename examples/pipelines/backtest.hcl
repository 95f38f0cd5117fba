# A backtest: from one block to another, both inclusive, then it ends.
#
#   mkdir -p data
#   penstock run --devchain examples/pipelines/backtest.hcl
#   penstock run examples/pipelines/backtest.hcl --var first=19000000 --var last=19000999

network "ethereum" {
  endpoint "node" {
    url  = env("ETH_RPC_URL", "http://127.0.0.1:8545")
    rate = "100/s" # what the node allows
  }
}

variable "first" {
  type    = number
  default = 1
}

variable "last" {
  type    = number
  default = 60
}

pipeline "transfers" {
  from = var.first
  to   = var.last

  reader "eth.logs" "transfers" {
    events = ["Transfer(address,address,uint256)"]
    range  = 2000 # blocks in one request
  }
  reader "eth.transactions" "transactions" {
    receipts    = false
    batch       = 20 # blocks in one request
    concurrency = 4
  }

  # One table a step: transfers and transactions.
  loader "sqlite" "store" {
    inputs = [transfers, transactions]
    path   = "data/backtest.db"
  }
}
