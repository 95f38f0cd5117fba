# What gas cost in each block, and will cost in the next.
#
#   penstock run --devchain examples/pipelines/gas.hcl

network "ethereum" {
  endpoint "node" {
    url = env("ETH_RPC_URL", "http://127.0.0.1:8545")
  }
}

pipeline "gas" {
  from = 1

  reader "eth.gas" "gas" {
    percentiles = [5, 50, 95]
  }

  loader "console" "show" {
    input   = gas
    columns = ["block_number", "base_fee_per_gas", "next_base_fee_per_gas", "gas_used_ratio", "priority_fees", "blob_base_fee"]
  }
}
