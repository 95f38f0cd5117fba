// Command penstock runs pipelines of chain data through plugins.
package main

import (
	"os"

	"github.com/penstock-io/penstock/host/internal/cli"
)

// version is set by the linker.
var version = "devel"

func main() { os.Exit(cli.Main(version)) }
