package whole

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	_ "modernc.org/sqlite" // driver "sqlite"

	"millpond/test/rig"
)

func itoa(n int) string { return strconv.Itoa(n) }

// row is what the server keeps about a node and shows to nobody.
type row struct {
	UID, ID, State, BootID, HelloBoot, OSRelease string
}

// rows reads the server's database beside the server.
func rows(t *testing.T, s *rig.Server) map[string]row {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.Data, "millpond.db")+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	list, err := db.QueryContext(context.Background(), "SELECT doc FROM nodes")
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	out := map[string]row{}
	for list.Next() {
		var doc string
		var r row
		if err := list.Scan(&doc); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(doc), &r); err != nil {
			t.Fatal(err)
		}
		out[r.ID] = r
	}
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func digest(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// TestNodes shares one server and one pool of two nodes with one slot each.
func TestNodes(t *testing.T) {
	s := rig.Start(t)
	pool := s.Pool("p", 2, 1)
	pool["userAccounts"] = []any{
		map[string]any{"name": "alice", "password": "Correct-Horse-1", "elevationLevel": "nonadmin"},
		map[string]any{"name": "boss", "password": "Correct-Horse-2", "elevationLevel": "admin"},
	}
	s.Do("POST", "/pools", pool, nil)
	s.Do("POST", "/jobs", map[string]any{"id": "j", "poolInfo": map[string]string{"poolId": "p"}}, nil)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *rig.Server)
	}{
		{"IdleMeansTheAgentReported", idleMeansReported},
		{"Tasks", tasks},
		{"Users", users},
		{"RootInANodeIsConfined", rootIsConfined},
		{"OrdinaryTasksHaveNoPower", ordinaryTasks},
		{"StateFolderLeadsNowhere", stateFolder},
		{"SocketFlood", socketFlood},
		{"ProcessCeiling", processCeiling},
		{"DataFolderIsClosed", closedFolder},
		{"NodesDoNotSeeEachOther", nodesApart},
		{"RebootKeepsReimageClears", rebootAndReimage},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, s.For(t)) })
	}
}

// A node seen idle is one whose agent, in this boot and inside the clone, said
// which boot it is and what /etc/os-release holds.
func idleMeansReported(t *testing.T, s *rig.Server) {
	want := digest(t, "/etc/os-release") // the host image has the host's
	s.Eventually(minute, "both nodes idle", func() (bool, string) {
		idle := 0
		for _, r := range rows(t, s) {
			if r.State != "idle" {
				continue
			}
			idle++
			if r.BootID == "" || r.HelloBoot != r.BootID || r.OSRelease != want {
				t.Fatalf("idle without a report of this boot: %+v", r)
			}
		}
		return idle == 2, fmt.Sprint(idle, " idle")
	})
	for _, n := range s.Nodes("p") {
		if n.LastBootTime == "" {
			t.Errorf("%s is %s without a boot time", n.ID, n.State)
		}
	}
}

// rebootAndReimage: a reboot is another boot of the same clone, a reimage a
// fresh clone.
func rebootAndReimage(t *testing.T, s *rig.Server) {
	node := s.Idle("p", 2)[0].ID
	key := rig.NewKey(t)
	s.Do("POST", "/pools/p/nodes/"+node+"/users", map[string]any{"name": "marker", "isAdmin": true, "sshPublicKey": key.Public}, nil)
	enter := func() *rig.Shell { return rig.SSH(t, s.RemoteLogin("p", node), "marker", key.Auth()) }
	enter().Run("touch /opt/mark /mnt/batch/tasks/shared/mark && rm -r /media")
	before := rows(t, s)[node]

	s.Do("POST", "/pools/p/nodes/"+node+"/reboot", map[string]any{}, nil)
	s.Eventually(minute, "another boot", func() (bool, string) {
		r := rows(t, s)[node]
		return r.HelloBoot != before.BootID && r.HelloBoot == r.BootID && r.State == "idle", fmt.Sprint(r)
	})
	rebooted := rows(t, s)[node]
	if rebooted.OSRelease != before.OSRelease || rebooted.UID != before.UID {
		t.Errorf("%+v then %+v", before, rebooted)
	}
	if got := enter().Run("ls -d /opt/mark /mnt/batch/tasks/shared/mark; test -e /media || echo no media"); got != "/mnt/batch/tasks/shared/mark\n/opt/mark\nno media" {
		t.Errorf("after a reboot: %q", got)
	}

	s.Do("POST", "/pools/p/nodes/"+node+"/reimage", map[string]any{}, nil)
	s.Eventually(minute, "a fresh boot", func() (bool, string) {
		r := rows(t, s)[node]
		return r.BootID != rebooted.BootID && r.HelloBoot == r.BootID && r.State == "idle", fmt.Sprint(r)
	})
	if got := enter().Run("ls -d /opt/mark /mnt/batch/tasks/shared/mark /media 2>/dev/null; true"); got != "/media" {
		t.Errorf("after a reimage: %q", got)
	}
}
