# Logs and blocks in Parquet files, each for a range of blocks:
#
#   mkdir -p data && penstock run --devchain examples/pipelines/parquet.hcl
#   duckdb -init data/parquet/_ethereum__logs.sql

network "ethereum" {
  endpoint "node" {
    url = env("ETH_RPC_URL", "http://127.0.0.1:8545")
  }
}

variable "from" {
  type    = number
  default = 0
}

variable "to" {
  type    = number
  default = 60
}

variable "every" {
  type        = number
  description = "how many blocks a file is for; on mainnet 10,000, which is the default, makes files of some hundred megabytes"
  default     = 25
}

pipeline "archive" {
  from = var.from
  to   = var.to

  reader "eth.logs" "logs" {}

  reader "eth.blocks" "blocks" {}

  loader "parquet" "files" {
    inputs    = [logs, blocks]
    path      = "data/parquet"
    every     = var.every
    bloom     = ["address", "transaction_hash"]
    sorted_by = ["log_index"]
    u256      = ["string", "float64"]
  }
}
