# Functions of a contract, called at every tenth block: the reserves of a pair,
# of which the one named here is on the development chain.
#
#   penstock run --devchain examples/pipelines/calls.hcl

network "ethereum" {
  endpoint "node" {
    url = env("ETH_RPC_URL", "http://127.0.0.1:8545")
  }
}

variable "pair" {
  default = "0x176e89a28b6ce077cfe20e2caa1eb921212d9fd3"
}

pipeline "reserves" {
  from = 1

  reader "eth.calls" "calls" {
    every = 10

    call {
      to     = var.pair
      method = "getReserves()(uint112,uint112,uint32)"
    }
    call {
      to     = var.pair
      method = "balanceOf(address)(uint256)"
      args   = [var.pair]
    }
  }

  loader "console" "show" {
    input   = calls
    columns = ["block_number", "function", "success", "values", "error"]
  }
}
