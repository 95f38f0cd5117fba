package chain_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Whatever was started has ended when the tests have.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
