package main

import (
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"time"
)

// report prints the table, where the outputs are, and how to look around.
func (j *mainJob) report(w io.Writer) {
	total := time.Since(j.begin)
	fmt.Fprintln(w)
	for _, row := range []struct {
		name  string
		value string
	}{
		{"time to steady", seconds(j.times.steady)},
		{"time to first idle node", seconds(j.times.firstIdle)},
		{"time to all 8 idle", seconds(j.times.allIdle)},
		{"time to all 200 tasks done", seconds(j.times.allDone)},
		{"failures", fmt.Sprint(j.times.failures)},
		{"downloads", seconds(j.downloads)},
		{"everything else", seconds(total - j.downloads)},
	} {
		fmt.Fprintf(w, "  %-28s %10s\n", row.name, row.value)
	}
	fmt.Fprintf(w, "\nThe outputs lie in %s\n", j.out)
	fmt.Fprintf(w, "\nWhile the server runs:\n")
	az := "az"
	if path, err := exec.LookPath("az"); err == nil {
		az = path
	} else if venv := filepath.Join(filepath.Dir(filepath.Dir(j.server.program)), ".venv", "az", "bin", "az"); executable(venv) {
		az = venv
	}
	fmt.Fprintf(w, "  eval \"$(%s az-setup %s --data %s --az %s)\"\n", j.server.program, filepath.Join(j.dir, "az"), j.server.data(), az)
	fmt.Fprintf(w, "  %s batch node list --pool-id %s -o table\n", az, poolID)
	fmt.Fprintf(w, "  %s batch task file list --job-id %s --task-id %s -o table\n", az, jobID, j.payload.tasks[0].id)
	fmt.Fprintf(w, "  %s\n", j.nodeSSH)
}

func executable(path string) bool {
	_, err := exec.LookPath(path)
	return err == nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
