# Balances of accounts that you add and remove while it runs:
#
#   penstock run --devchain examples/pipelines/balances.hcl
#   penstock state add treasury addresses 0x00000000219ab540356cbb839cbe05303d7705fa
#   penstock state remove treasury addresses 0x00000000219ab540356cbb839cbe05303d7705fa

network "ethereum" {
  endpoint "node" {
    url = env("ETH_RPC_URL", "http://127.0.0.1:8545")
  }
}

pipeline "treasury" {
  from = "latest"

  # Besides the set "addresses" that the pipeline shares. Multicall3's own
  # address is always looked at, so that there is something to see at once.
  reader "eth.balances" "balances" {
    addresses = ["0xcA11bde05977b3631167028862bE2a173976CA11"]
    nonce     = true
  }

  loader "console" "show" {
    input   = balances
    columns = ["block_number", "address", "balance", "nonce"]
  }
}
