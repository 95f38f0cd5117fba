network "mainnet" {
  chain_id = 1
  endpoint "primary" {
    url = env("ETH_RPC_URL")
  }
}

plugin "a" {
  path = 5
  env  = "HOME"
  dev  = "perhaps"
  limits {
    memory     = "lots"
    open_files = "x"
    cpu        = -1
    disk       = 1
  }
  limits {}
}
plugin "b" {
  env = [["HOME"]]
  sandbx {}
}
plugin "b" {}
host {
  data_dri      = "x"
  hard_terminate_after = "0s"
  start_timeout = 5
  restart {
    max = 5
  }
}
host {}
pipeline "p" {
  reader "eth.blocks" "blocks" {}
}
