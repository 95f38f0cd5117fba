# One branch for each of several pairs: for_each makes a step of every entry,
# and a reference to such a step means all of them, or one as NAME["KEY"].
#
#   mkdir -p data && penstock run --devchain examples/pipelines/pairs.hcl

network "ethereum" {
  endpoint "node" {
    url = env("ETH_RPC_URL", "http://127.0.0.1:8545")
  }
}

variable "pairs" {
  type        = map(string)
  description = "a name and the address of each pair; these are on the development chain"
  default = {
    first  = "0x4b72F701a28705E438E9cC86C85FeF86cec1b6EE"
    second = "0xF74e033B2fFB77B9022ddE01112084c66d75bBdb"
  }
}

pipeline "pairs" {
  from = "latest"

  reader "eth.logs" "logs" {
    addresses = values(var.pairs)
  }

  subscriber "uniswap.swaps" "swaps" {
    for_each = var.pairs
    input    = logs
    pairs    = [each.value]
  }

  # A file for each pair.
  loader "sqlite" "store" {
    for_each = var.pairs
    input    = swaps[each.key]
    path     = "data/${each.key}.db"
  }

  # All pairs in one place.
  loader "console" "show" {
    input   = swaps
    columns = ["block_number", "pair", "amount0_in", "amount1_in", "amount0_out", "amount1_out"]
  }
}
