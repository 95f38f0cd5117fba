package remote_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// roleEnv makes the test's own binary play a plugin, good or bad, or a host.
const roleEnv = "REMOTE_TEST_ROLE"

func TestMain(m *testing.M) {
	if role, ok := os.LookupEnv(roleEnv); ok {
		play(role)
		return
	}
	goleak.VerifyTestMain(m)
}
