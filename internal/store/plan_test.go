package store

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"millpond/internal/resource"
)

// TestPlans: what the queue and the pages ask must find its rows by an index, and
// pages must not be sorted.
func TestPlans(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	db, err := Open(t.Context(), Config{SQLite: path, Clock: resource.SystemClock()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	// Small tables, and indexes that hold only what is asked for.
	few := map[string]bool{
		"SCAN p": true,
		"SCAN p USING INDEX sqlite_autoindex_pools_1": true,
		"SCAN j USING INDEX jobs_live":                true,
		"SCAN t USING INDEX tasks_ending":             true,
		"SCAN operations USING INDEX operations_open": true,
	}
	for name, s := range map[string]*stmt{
		"taskByID": taskByID, "taskByUID": taskByUID, "lockTask": lockTask, "listTasks": listTasks, "listTasksState": listTasksState,
		"updateTask": updateTask, "activeTasks": activeTasks, "jobsWithWork": jobsWithWork, "reportedTasks": reportedTasks.sized[0],
		"writeTasks": writeTasks.sized[3], "writeAttempts": writeAttempts.sized[3], "nodeAttempts": nodeAttempts,
		"nodeOrphans": nodeOrphans, "endingTasks": endingTasks, "endTasks": endTasks, "taskAttempts": taskAttempts,
		"useNodes": useNodes.sized[0], "nodeByID": nodeByID, "listNodes": listNodes, "listPools": listPools, "poolByID": poolByID,
		"jobByID": jobByID, "listJobs": listJobs, "unsettledJobs": unsettledJobs, "waitingTasks": waitingTasks,
		"chunkCounts": chunkCounts, "deleteChunk": deleteChunk, "listResourcesOfType": listResourcesOfType,
		"openOperations": openOperations, "selectEvents": selectEvents, "workingPools": workingPools, "nodeCounts": nodeCounts,
	} {
		for _, step := range plan(t, raw, s) {
			scans := strings.HasPrefix(step, "SCAN") && !few[step]
			sorts := strings.HasPrefix(name, "list") && strings.Contains(step, "TEMP B-TREE")
			if scans || sorts {
				t.Errorf("%s: %s", name, step)
			}
		}
	}
}

func plan(t *testing.T, raw *sql.DB, s *stmt) []string {
	t.Helper()
	args := make([]any, len(placeholder.FindAllString(s.text[postgres.index], -1)))
	rows, err := raw.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+s.text[sqlite.index], args...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}
