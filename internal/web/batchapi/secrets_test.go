package batchapi_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millpond/internal/web/webtest"
)

// Passwords of pool and node users, good and refused ones, are in no reply, in
// no log line and in no byte of the store's files.
func TestPasswordsStayPut(t *testing.T) {
	w := busyWorld(t)
	passwords := []string{"Pass-word-of-a-pool-1", "Pass-word-of-a-node-2", "Pass-word-replaced-3", "Pass-word-refused-4"}
	asks := []string{
		"POST /pools" + v + "\n\n" + `{"id":"q","vmSize":"standard_d2_v3","userAccounts":[{"name":"u","password":"` + passwords[0] + `"}],` + vm + `}`,
		"GET /pools/q" + v, "GET /pools" + v,
		"POST /pools/p/nodes/NODE/users" + v + "\n\n" + `{"name":"alice","password":"` + passwords[1] + `"}`,
		"PUT /pools/p/nodes/NODE/users/alice" + v + "\n\n" + `{"password":"` + passwords[2] + `"}`,
		"POST /pools/p/nodes/NODE/users" + v + "\n\n" + `{"name":"bad name","password":"` + passwords[3] + `"}`,
		"POST /pools/p/nodes/NODE/users" + v + "\n\n" + `{"name":"bob","password":"` + passwords[3] + `"`,
		"POST /pools/p/nodes/NODE/users" + v + "\n\n" + `{"name":"bob","pasword":"` + passwords[3] + `"}`,
		"POST /pools/p/nodes/NODE/users" + v + "\n\n" + `{"name":"bob","password":["` + passwords[3] + `"]}`,
		"GET /pools/p/nodes/NODE" + v + "\nAuthorization: Bearer owner", "GET /pools/p/nodes" + v, "GET /pools/p/nodes/NODE/remoteloginsettings" + v,
		"DELETE /pools/p/nodes/NODE/users/alice" + v,
	}
	shown := map[string]string{}
	for _, ask := range asks {
		shown[ask] = webtest.Ask(t, w, ask)
	}
	files, err := filepath.Glob(filepath.Join(w.dir, "millpond.db*"))
	must(t, err)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		must(t, err)
		shown[filepath.Base(file)] = string(raw)
	}
	shown["the log"] = w.log.String()
	for where, text := range shown {
		for _, secret := range append(passwords, string(keys[0]), string(keys[1]), w.tokens()["owner"]) {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %s:\n%.2000s", where, secret, text)
			}
		}
	}
}
