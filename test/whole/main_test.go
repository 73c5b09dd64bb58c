package whole

import (
	"fmt"
	"os"
	"testing"

	"millpond/test/rig"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "become-plain-user" {
		fmt.Fprintln(os.Stderr, rig.BecomePlainUser(os.Args[2:]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}
