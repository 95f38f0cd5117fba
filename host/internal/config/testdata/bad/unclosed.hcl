pipeline "p" {
  reader "eth.logs" "logs" {
