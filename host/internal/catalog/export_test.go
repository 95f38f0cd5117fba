package catalog

import (
	"errors"
	"os"
)

// ForgetMemory has a catalog find no memory that can be sealed.
func (c *Catalog) ForgetMemory() {
	c.vault.memory = func(string) (*os.File, error) { return nil, errors.New("the test has none") }
}
