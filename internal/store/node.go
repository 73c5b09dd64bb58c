package store

import (
	"context"
	"database/sql"
	"encoding/json"

	"millpond/internal/fault"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

const nodeRow = `SELECT n.state, n.state_at, n.running_tasks, n.running_slots, n.total_run, n.total_succeeded,
	n.tick, n.rev, n.recent, n.doc FROM nodes n `

var (
	insertNodes = manyRows(`
		INSERT INTO nodes (uid, pool_uid, id_key, number, dedicated, state, state_at, scheduling, boot_id, slots,
		running_tasks, running_slots, total_run, total_succeeded, tick, rev, recent, doc) VALUES `, "", 18, ` ON CONFLICT DO NOTHING`)
	nodeByID   = define(nodeRow + `WHERE n.pool_uid = $1 AND n.id_key = $2`)
	nodeByUID  = define(nodeRow + `WHERE n.uid = $1`)
	lockNode   = define(nodeRow + `WHERE n.uid = $1 {lock}`)
	listNodes  = define(nodeRow + `WHERE n.pool_uid = $1 AND n.id_key > $2 ORDER BY n.id_key LIMIT $3`)
	poolNodes  = define(nodeRow + `WHERE n.pool_uid = $1 ORDER BY n.number, n.id_key`)
	allNodes   = define(nodeRow + `ORDER BY n.pool_uid, n.number, n.id_key`)
	updateNode = define(`
		UPDATE nodes SET number = $1, dedicated = $2, state = $3, state_at = $4, scheduling = $5, boot_id = $6, slots = $7,
		total_run = $8, total_succeeded = $9, tick = $10, rev = rev + 1, recent = $11, doc = $12
		WHERE uid = $13 AND rev = $14`)
	deleteNode = define(`DELETE FROM nodes WHERE uid = $1`)
)

var noNode = fault.New("NodeNotFound", "")

type storedNode struct {
	*pool.Node
	tick resource.Ticks
}

// scanStoredNode reads a node; columns that ClaimTasks and ReportTasks write
// stand above the document.
func scanStoredNode(rows *sql.Rows) (s storedNode, err error) {
	var n, doc = &pool.Node{}, sql.RawBytes{}
	var c pool.Node
	var recent sql.RawBytes
	err = rows.Scan(&c.State, &c.StateAt, &c.RunningTasks, &c.RunningSlots, &c.TotalRun, &c.TotalSucceeded,
		&s.tick, &c.Rev, &recent, &doc)
	if err != nil {
		return s, err
	}
	if err = json.Unmarshal(doc, n); err != nil {
		return s, err
	}
	n.State, n.StateAt, n.RunningTasks, n.RunningSlots = c.State, c.StateAt, c.RunningTasks, c.RunningSlots
	n.TotalRun, n.TotalSucceeded, n.Rev = c.TotalRun, c.TotalSucceeded, c.Rev
	s.Node = n
	if len(recent) > 0 {
		err = json.Unmarshal(recent, &n.Recent)
	}
	return s, err
}

func scanNode(rows *sql.Rows) (*pool.Node, error) {
	s, err := scanStoredNode(rows)
	return s.Node, err
}

// nodeDoc is the document of a node: Recent has a column of its own.
func nodeDoc(n *pool.Node) string {
	c := *n
	c.Recent = nil
	return encode(c)
}

// recentDoc is the column of a node's last tasks, "" when there is none.
func recentDoc(recent []pool.RecentTask) string {
	if len(recent) == 0 {
		return ""
	}
	return encode(recent)
}

// AddNodes satisfies pool.NodeStore. It fills UID, Rev and the instants the
// caller left out. PoolNotFound or PoolBeingDeleted when a pool cannot have
// nodes; a node id already there gives NodeExists, and then none is added.
func (db *DB) AddNodes(ctx context.Context, nodes []*pool.Node, by pool.Event) error {
	made := make([]pool.Node, len(nodes))
	for i, n := range nodes {
		made[i] = *n
		if made[i].UID == "" {
			made[i].UID = newUID()
		}
	}
	err := db.write(ctx, func(t *tx) error {
		checked := map[string]bool{}
		args := make([]any, 0, len(made)*insertNodes.width)
		for i := range made {
			n := &made[i]
			if !checked[n.PoolUID] {
				if err := t.poolTakesNodes(n.PoolUID); err != nil {
					return err
				}
				checked[n.PoolUID] = true
			}
			stampNew(t.now, &n.StateAt)
			n.Rev, n.RunningTasks, n.RunningSlots = 1, 0, 0
			args = append(args, n.UID, n.PoolUID, resource.Fold(n.ID), int64(n.Number), flag(n.Dedicated), n.State,
				int64(n.StateAt), n.Scheduling, n.BootID, int64(n.Slots), int64(0), int64(0),
				int64(n.TotalRun), int64(n.TotalSucceeded), int64(n.StateAt), int64(1), recentDoc(n.Recent), nodeDoc(n))
			t.changed("node", n.UID, by, "", n.State, 0)
		}
		added, err := t.execAll(insertNodes, args)
		if err == nil && int(added) != len(made) {
			return fault.New("NodeExists", "A node with the same id exists in the pool.")
		}
		return err
	})
	if err == nil {
		for i, n := range nodes {
			*n = made[i]
		}
	}
	return err
}

func (t *tx) poolTakesNodes(uid string) error {
	if _, err := one(&t.reader, lockPool, noPool, scanString, uid); err != nil {
		return err
	}
	p, err := one(&t.reader, poolByUID, noPool, scanPool, uid)
	if err == nil && p.State == pool.Deleting {
		return fault.New("PoolBeingDeleted", "")
	}
	return err
}

// GetNode satisfies pool.NodeStore.
func (db *DB) GetNode(ctx context.Context, poolUID, id string) (*pool.Node, error) {
	return one(db.read(ctx), nodeByID, noNode, scanNode, poolUID, resource.Fold(id))
}

// NodeByUID satisfies pool.NodeStore.
func (db *DB) NodeByUID(ctx context.Context, uid string) (*pool.Node, error) {
	return one(db.read(ctx), nodeByUID, noNode, scanNode, uid)
}

// ListNodes satisfies pool.NodeStore.
func (db *DB) ListNodes(ctx context.Context, poolUID, after string, limit int) ([]*pool.Node, error) {
	return list(db.read(ctx), listNodes, scanNode, poolUID, resource.Fold(after), limit)
}

// NodesOfPool satisfies pool.NodeStore.
func (db *DB) NodesOfPool(ctx context.Context, poolUID string) ([]*pool.Node, error) {
	return list(db.read(ctx), poolNodes, scanNode, poolUID)
}

// AllNodes satisfies pool.NodeStore.
func (db *DB) AllNodes(ctx context.Context) ([]*pool.Node, error) {
	return list(db.read(ctx), allNodes, scanNode)
}

// UpdateNode satisfies pool.NodeStore. Whether a node that may run tasks is idle
// or running follows from its tasks, whichever of the two the change says.
func (db *DB) UpdateNode(ctx context.Context, uid string, by pool.Event, change func(*pool.Node) error) (*pool.Node, error) {
	var n *pool.Node
	err := db.write(ctx, func(t *tx) error {
		s, err := one(&t.reader, lockNode, noNode, scanStoredNode, uid)
		if err != nil {
			return err
		}
		n = s.Node
		was := *n
		if err := change(n); err != nil {
			return err
		}
		n.UID, n.ID, n.PoolUID, n.AccountUID, n.Rev = was.UID, was.ID, was.PoolUID, was.AccountUID, was.Rev
		n.RunningTasks, n.RunningSlots = was.RunningTasks, was.RunningSlots
		n.State = idleOrRunning(n.State, n.RunningTasks)
		if n.State != was.State && n.StateAt == was.StateAt {
			n.StateAt = 0
		}
		tick := t.advance(s.tick, instant{was.StateAt, &n.StateAt})
		err = t.guarded(updateNode, int64(n.Number), flag(n.Dedicated), n.State, int64(n.StateAt), n.Scheduling, n.BootID,
			int64(n.Slots), int64(n.TotalRun), int64(n.TotalSucceeded), int64(tick), recentDoc(n.Recent), nodeDoc(n),
			uid, was.Rev)
		if err != nil {
			return err
		}
		n.Rev++
		t.changed("node", uid, by, was.State, n.State, 0)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return n, nil
}

// RemoveNode satisfies pool.NodeStore. A node with open attempts gives NodeBusy
// and stays: RequeueNode comes first, or its tasks would run for ever.
func (db *DB) RemoveNode(ctx context.Context, uid string, by pool.Event) error {
	return db.write(ctx, func(t *tx) error {
		n, err := one(&t.reader, lockNode, noNode, scanNode, uid)
		if err != nil {
			return err
		}
		if n.RunningTasks > 0 {
			return fault.New("NodeBusy", "The node still has tasks that were not given back to the queue.")
		}
		t.changed("node", uid, by, n.State, "", 0)
		_, err = t.exec(deleteNode, uid)
		return err
	})
}

func idleOrRunning(state string, tasks int) string {
	switch {
	case state == pool.NodeIdle && tasks > 0:
		return pool.NodeRunning
	case state == pool.NodeRunning && tasks == 0:
		return pool.NodeIdle
	}
	return state
}
