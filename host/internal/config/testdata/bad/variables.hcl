variable "token" {
  sensitive = true
}
variable "number" {
  type      = number
  sensitive = true
  default   = "hunter2"
}
variable "unset" {
  type = string
}
variable "given" {
  type = list(number)
}
variable "wrong" {
  type    = list(strng)
  default = []
}
variable "refers" {
  default = var.token
}
variable "kind" {
  typ = string
  default = [1]
}
locals {
  a       = local.b
  b       = "${local.c}x"
  c       = local.a
  lost    = local.nowhere
  follows = local.lost + 1
  n       = tonumber(var.token)
  e       = tonumber(env("ETH_RPC_URL"))
  key     = { a = 1 }[var.token]
  missing = env("NO_SUCH_VARIABLE")
  file    = file("no_such_file.txt")
}
locals {
  a = 1
  nested {}
}
network "mainnet" {
  chain_id = var.token
  finality = var.token
  endpoint "primary" {
    url  = var.tokn
    rate = local.kee
  }
}
pipeline "p" {
  from = each.value
  reader "eth.logs" "logs" {
    addresses = vra.token
    batch     = env("ETH_RPC_URL")
    confirm   = nofunc(1)
    extra     = upper(1, 2)
  }
  reader "eth.logs" "each" {
    for_each = [var.token]
  }
  reader "eth.logs" "many" {
    for_each = [var.token]
  }
}
