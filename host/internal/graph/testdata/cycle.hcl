network "mainnet" {
  chain_id = 1
  endpoint "primary" { url = "http://localhost:8545" }
}

pipeline "loop" {
  subscriber "same.logs" "a" { input = c }
  subscriber "same.logs" "b" { input = a }
  subscriber "same.logs" "c" { input = b }
  subscriber "same.logs" "self" { input = self }
  reader "eth.logs" "logs" {}
  loader "console" "print" { inputs = [logs, c] }
}
