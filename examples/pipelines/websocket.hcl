# Swaps for web pages and bots, over WebSocket: docs/websocket.md has the
# protocol, and a page that shows them.
#
#   penstock run --devchain examples/pipelines/websocket.hcl

network "ethereum" {
  endpoint "node" {
    url = env("ETH_RPC_URL", "http://127.0.0.1:8545")
  }
}

# Plugins reach no network unless they are told to: this one listens.
plugin "websocket" {
  network = true
}

variable "listen" {
  type        = string
  description = "where clients connect to"
  default     = "127.0.0.1:8550"
}

pipeline "feed" {
  from = "latest"

  reader "eth.logs" "logs" {}

  subscriber "uniswap.swaps" "swaps" {
    input = logs
  }

  loader "websocket" "clients" {
    inputs   = [logs, swaps]
    listen   = var.listen
    channels = { swaps = "trades" }
    origins  = ["localhost:*"] # of pages on this machine; without it those of the same host may connect
  }
}
