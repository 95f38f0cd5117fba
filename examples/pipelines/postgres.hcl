# Transfers and blocks in a PostgreSQL database.
#
#   penstock run --devchain examples/pipelines/postgres.hcl --var database=postgres://postgres@127.0.0.1:5432/chain
#
# docs/postgres.md has all settings.

network "ethereum" {
  endpoint "node" {
    url  = env("ETH_RPC_URL", "http://127.0.0.1:8545")
    rate = "100/s" # what the node allows
  }
}

# Plugins reach no network unless they are told to.
plugin "postgres" {
  network = true
}

variable "database" {
  default   = "postgres://penstock@127.0.0.1:5432/chain"
  sensitive = true # it may have a password
}

variable "from" {
  type    = number
  default = 1
}

pipeline "chain" {
  from       = var.from
  hang_after = "3m" # longer than a loader waits for its server

  reader "eth.logs" "transfers" {
    events = ["Transfer(address,address,uint256)"]
  }
  reader "eth.blocks" "blocks" {
    receipts = false
  }

  # Rows are added, in partitions of a million blocks.
  loader "postgres" "store" {
    input = transfers
    dsn   = var.database

    partitions {
      size = 1000000
    }
    index {
      columns = ["address", "block_number"]
    }
    index {
      columns = ["topics"]
      method  = "gin"
    }
  }

  # A row replaces the one with the same key.
  loader "postgres" "chain" {
    input = blocks
    dsn   = var.database
    bytes = "hex"
    key   = ["block_number"]
  }
}
