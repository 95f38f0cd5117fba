# Swaps for a web server of yours, which nobody waits for when it is away: what
# it has not taken lies in an outbox on disk.
#
#   mkdir -p data
#   penstock run --devchain examples/pipelines/webhook.hcl --var url=http://127.0.0.1:8080/hook

network "ethereum" {
  endpoint "node" {
    url = env("ETH_RPC_URL", "http://127.0.0.1:8545")
  }
}

# Plugins reach no network unless they are told to.
plugin "webhook" {
  network = true
}

variable "url" {
  type        = string
  description = "where the rows go"
  default     = "http://127.0.0.1:8080/hook"
}

variable "secret" {
  type        = string
  description = "signs requests, so that the receiver knows who they are from"
  default     = "change me"
  sensitive   = true
}

pipeline "hooks" {
  from = "latest"

  subscriber "uniswap.swaps" "swaps" {}

  loader "webhook" "receiver" {
    input  = swaps
    url    = var.url
    secret = var.secret

    outbox {
      path = "data/outbox"
      size = "256MiB"
    }
  }
}
