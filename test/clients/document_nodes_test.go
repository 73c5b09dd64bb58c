package clients

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// nodePassword is of no machine that outlives the test.
const nodePassword = "Mill-Pond_4711"

// documentLinuxNodes runs the Linux-nodes sample with the edits of testdata/linux-nodes.diff: the pool is made, its four
// nodes are printed as in the document, and one of them is entered by ssh with password and with key.
func documentLinuxNodes(t *testing.T, w *world) {
	w.needPython(t)
	for _, program := range []string{"ssh", "ssh-keygen", "sshpass"} {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, "there is no "+program+": run scripts/setup test")
		}
	}
	dir := w.linuxNodes(t)
	url := "https://" + w.AccountName + "." + w.Location + ".batch.azure.com"
	account := map[string]string{"<batch-account-name>": w.AccountName, "<batch-account-key>": w.AccountKey, "<batch-account-url>": url}
	w.fill(t, filepath.Join(dir, "pool.py"), account)
	out := w.must(t, command{args: []string{w.bin, "exec", "--", w.python, filepath.Join(dir, "pool.py")}})
	if strings.TrimSpace(out) != "batch.node.ubuntu 18.04" {
		t.Errorf("the agent found in the list of images: %q", out)
	}
	w.idle(t, samplePool, 4)
	if got := w.startupOutput(t, samplePool); got != "/mnt/batch/tasks/startup" {
		t.Errorf("the start task wrote %q", got)
	}
	w.fill(t, filepath.Join(dir, "nodes.py"), map[string]string{
		"batch_account_name = ''": "batch_account_name = '" + w.AccountName + "'",
		"batch_account_key = ''":  "batch_account_key = '" + w.AccountKey + "'",
		"batch_account_url = ''":  "batch_account_url = '" + url + "'",
		"pool_id = ''":            "pool_id = '" + samplePool + "'",
	})
	out = w.must(t, command{stdin: nodePassword + "\n", args: []string{w.bin, "exec", "--", w.python, filepath.Join(dir, "nodes.py")}})
	// Python before 3.12 prints the state without its type.
	row := regexp.MustCompile(`(?m)^(tvmps_[0-9a-f]{64}_d) \| (?:ComputeNodeState\.)?idle \| ([0-9.]+) \| (\d+)$`)
	rows := row.FindAllStringSubmatch(out, -1)
	if len(rows) != 4 {
		t.Fatalf("expected four nodes as in the document, got:\n%s", out)
	}
	drove(t, "azure-batch for Python, shared key, millpond exec")
	w.enter(t, dir, rows[2][1], rows[2][2], rows[2][3])
	w.gone(t, samplePool)
}

// linuxNodes cuts the sample's two programs out of the document and applies the diff to them.
func (w *world) linuxNodes(t *testing.T) string {
	t.Helper()
	text := w.document(t, "002")
	dir := t.TempDir()
	for name, code := range map[string]string{
		"pool.py": unfenced(t, text, "# Import the required modules from the") + "\n" +
			unfenced(t, text, "# Get the list of supported images from the Batch service"),
		"nodes.py": unfenced(t, text, "import datetime"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	diff, err := filepath.Abs("testdata/linux-nodes.diff")
	if err != nil {
		t.Fatal(err)
	}
	// The diff has no context lines: it says what changes and copies nothing of the document beside it.
	cmd := exec.CommandContext(t.Context(), "git", "apply", "--unidiff-zero", diff)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the diff does not fit the document: %v\n%s", err, out)
	}
	return dir
}

func (w *world) fill(t *testing.T, file string, values map[string]string) {
	t.Helper()
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(placeholders(t, string(code), values)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// enter opens a session on a node with the password of the sample's user, and one with a key of a second user.
func (w *world) enter(t *testing.T, dir, node, host, port string) {
	t.Helper()
	ssh := []string{"ssh", "-p", port, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-F", "none"}
	const look = "cat /proc/1/comm; hostname; echo $USER; exit 7"
	var first string
	check := func(client, user string, r result) {
		t.Helper()
		lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
		if r.code != 7 || len(lines) != 3 || !strings.HasPrefix(lines[0], "millpond") || lines[2] != user {
			t.Errorf("%s: %s", client, r)
			return
		}
		if here, err := os.Hostname(); err != nil || lines[1] == here || first != "" && lines[1] != first {
			t.Errorf("%s: the session is on %s, not on the node", client, lines[1])
		}
		first = lines[1]
		drove(t, client)
	}
	password := append([]string{"sshpass", "-p", nodePassword}, ssh...)
	password = append(password, "-o", "PreferredAuthentications=password", "-o", "PubkeyAuthentication=no", "linuxuser@"+host, look)
	check("ssh with password", "linuxuser", w.run(t, command{args: password}))

	key := filepath.Join(dir, "key")
	w.must(t, command{args: []string{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key}})
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	w.Do("POST", fmt.Sprintf("/pools/%s/nodes/%s/users", samplePool, node),
		map[string]any{"name": "keyuser", "isAdmin": false, "sshPublicKey": strings.TrimSpace(string(public))}, nil)
	withKey := append(ssh, "-i", key, "-o", "IdentitiesOnly=yes", "-o", "PasswordAuthentication=no", "keyuser@"+host, look)
	check("ssh with key", "keyuser", w.run(t, command{args: withKey}))
	if r := w.run(t, command{args: append([]string{"sshpass", "-p", "wrong"}, password[3:]...)}); r.code == 7 {
		t.Error("a wrong password was let in")
	}
}
