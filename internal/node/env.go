package node

import (
	"path/filepath"
	"strings"

	"millpond/internal/node/wire"
)

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const reservedPrefix = "AZ_BATCH_"

// taskEnv is the environment of an attempt (facts/azure-batch.md 2E). The
// task's own settings come last and win, except over AZ_BATCH_ names, which
// are the service's. path is the PATH the program is looked up in.
func taskEnv(root string, w *wire.Welcome, t *wire.Task, cred credential, d *taskDir) (env []string, path string) {
	dedicated := "false"
	if w.Dedicated {
		dedicated = "true"
	}
	startup := filepath.Join(root, "startup")
	env = append(make([]string, 0, 24+len(t.Env)),
		"AZ_BATCH_ACCOUNT_NAME="+w.Account,
		"AZ_BATCH_ACCOUNT_URL="+w.URL,
		"AZ_BATCH_NODE_ID="+w.NodeID,
		"AZ_BATCH_NODE_IS_DEDICATED="+dedicated,
		"AZ_BATCH_NODE_MOUNTS_DIR="+filepath.Join(root, "fsmounts"),
		"AZ_BATCH_NODE_ROOT_DIR="+root,
		"AZ_BATCH_NODE_SHARED_DIR="+filepath.Join(root, "shared"),
		"AZ_BATCH_NODE_STARTUP_DIR="+startup,
		"AZ_BATCH_NODE_STARTUP_WORKING_DIR="+filepath.Join(startup, "wd"),
		"AZ_BATCH_POOL_ID="+w.PoolID,
		"AZ_BATCH_TASK_DIR="+d.dir,
		"AZ_BATCH_TASK_ID="+t.ID,
		"AZ_BATCH_TASK_WORKING_DIR="+d.wd,
	)
	if t.JobID != "" {
		env = append(env, "AZ_BATCH_JOB_ID="+t.JobID)
	}
	path = defaultPath
	own := []wire.Pair{
		{Name: "HOME", Value: d.wd}, {Name: "LOGNAME", Value: cred.name}, {Name: "PATH", Value: defaultPath},
		{Name: "PWD", Value: d.wd}, {Name: "USER", Value: cred.name},
	}
	for _, p := range own {
		if !names(t.Env, p.Name) {
			env = append(env, p.Name+"="+p.Value)
		}
	}
	for i, p := range t.Env {
		if strings.HasPrefix(p.Name, reservedPrefix) || p.Name == "" || strings.ContainsAny(p.Name, "=\x00") ||
			strings.ContainsRune(p.Value, 0) || names(t.Env[i+1:], p.Name) {
			continue
		}
		if p.Name == "PATH" {
			path = p.Value
		}
		env = append(env, p.Name+"="+p.Value)
	}
	return env, path
}

func names(list []wire.Pair, name string) bool {
	for _, p := range list {
		if p.Name == name {
			return true
		}
	}
	return false
}
