package scripts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"millpond/test/rig"
)

func TestScripts(t *testing.T) {
	bin := filepath.Dir(rig.Binary(t))
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireUniqueNames: true, RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			data, err := os.MkdirTemp("", "millpond-script-")
			if err != nil {
				return err
			}
			// The servers' ends come first: what is cleaned up later was asked for earlier.
			tb := e.T().(testing.TB)
			tb.Cleanup(func() { os.RemoveAll(data) })
			for _, v := range [][2]string{
				{"PATH", bin + string(os.PathListSeparator) + os.Getenv("PATH")}, {"HOME", e.WorkDir}, {"DATA", filepath.Join(data, "d")},
				{"MILLPOND_DATA", filepath.Join(data, "d")}, {"CI", os.Getenv("CI")},
			} {
				e.Setenv(v[0], v[1])
			}
			e.Values["world"] = &world{tb: tb, data: filepath.Join(data, "d")}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "up": up, "end": end, "sigkill": sigkill, "pool": makePool, "idle": idle, "task": task,
			"remember": remember, "same": same, "nothing-left": nothingLeft, "ports-free": portsFree,
			"mode": mode, "keys": keys, "sign": sign, "hostile": hostile, "tree": tree,
		},
	})
}

// The scripts and the list of commands in doc.go speak of the same commands.
func TestCommandsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"exits", "up", "end", "sigkill", "pool", "idle", "task", "remember", "same", "nothing-left", "ports-free", "mode", "keys", "sign", "hostile", "tree"} {
		if !strings.Contains(string(text), "//\t"+name+" ") {
			t.Errorf("doc.go does not tell of %s", name)
		}
	}
}
