package faults

import (
	"database/sql"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"

	"millpond/test/rig"
)

// compareRows holds the rows of attempts, read from the folder of a server that
// has ended, against what its API said: one row for each time a task was given
// out, numbered from 1, each closed, all but the last lost and the last one a
// success.
func compareRows(t *testing.T, s *rig.Server, byAPI map[string]task) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.Data, "millpond.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `
		SELECT t.id_key, a.number, a.node_uid, a.boot_id, a.claimed, a.ended, a.outcome
		FROM attempts a JOIN tasks t ON t.seq = a.task ORDER BY t.seq, a.number`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	number := map[string]int{}
	for rows.Next() {
		var id, node, boot, outcome string
		var n int
		var claimed, ended int64
		if err := rows.Scan(&id, &n, &node, &boot, &claimed, &ended, &outcome); err != nil {
			t.Fatal(err)
		}
		number[id]++
		want := "lost"
		if n == byAPI[id].ExecutionInfo.RequeueCount+1 {
			want = "success"
		}
		if n != number[id] || outcome != want || ended < claimed || node == "" || boot == "" {
			t.Errorf("%s: row %d is (number %d, node %q, boot %q, claimed %d, ended %d, %s), want %s",
				id, number[id], n, node, boot, claimed, ended, outcome, want)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for id, x := range byAPI {
		if number[id] != x.ExecutionInfo.RequeueCount+1 {
			t.Errorf("%s: %d rows of attempts and %d requeues", id, number[id], x.ExecutionInfo.RequeueCount)
		}
	}
	var open int
	if err := db.QueryRowContext(t.Context(), `
		SELECT (SELECT COUNT(*) FROM orphans) + (SELECT COUNT(*) FROM nodes WHERE running_tasks <> 0 OR running_slots <> 0)`).
		Scan(&open); err != nil || open != 0 {
		t.Errorf("%d orphans and busy nodes at rest, %v", open, err)
	}
}
