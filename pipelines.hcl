# What `make run` runs: swaps of Uniswap V2 pairs, decoded, added up per block,
# and stored. `penstock validate` checks this file, `penstock graph` draws it.

# A network is a chain and the nodes to reach it by. Without ETH_RPC_URL it is
# a development chain on this machine (`penstock devchain`). Plugins reach no
# node themselves: they ask the host, which keeps to rates and limits for all.
network "ethereum" {
  endpoint "node" {
    url = env("ETH_RPC_URL", "http://127.0.0.1:8545") # http, ws, or the path of an IPC socket
  }
  finality = "finalized" # or "safe", or a number of confirmations
}

# The first block: a number, or "latest" for the head of the chain. Another is
# chosen with --var from=19000000.
variable "from" {
  type    = string
  default = "latest"
}

# Where the rows go. Rows of two chains do not belong into one file. The loader
# may change everything in this directory and nothing elsewhere, so it is one of
# its own; it has to be there (make run makes it).
variable "database" {
  type    = string
  default = "data/swaps.db"
}

# A pipeline is a graph of steps. Each step becomes a process of its own: its
# first label is the register that makes it (`penstock register list`), the
# second is its name in this file.
pipeline "swaps" {
  from = var.from # from here to the head, then live; with `to` it would be a backtest

  # Readers collect from outside.
  reader "eth.blocks" "blocks" {
    receipts = false # only the blocks themselves are needed here
  }
  reader "eth.logs" "logs" {
    events = ["Swap(address,uint256,uint256,uint256,uint256,address)"]
  }

  # A subscriber turns one stream into another. What flows has a type, and
  # whether it fits is known before anything starts.
  subscriber "uniswap.swaps" "swaps" {
    input = logs
  }

  # An aggregator joins several streams: here all that belongs to one block.
  aggregator "uniswap.pair_totals" "totals" {
    inputs = {
      blocks = blocks
      swaps  = swaps
    }
    policy "block" {}
  }

  # Loaders end the way. This one makes a table for each step that it reads.
  loader "sqlite" "store" {
    inputs = [blocks, swaps, totals]
    path   = var.database
  }

  # And this one shows what arrives.
  loader "console" "show" {
    input   = totals
    columns = ["block_number", "pair", "swaps", "volume0", "volume1"]
  }
}
