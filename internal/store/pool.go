package store

import (
	"context"
	"database/sql"
	"encoding/json"

	"millpond/internal/fault"
	"millpond/internal/pool"
	"millpond/internal/resource"
)

// poolRow is a pool's columns. A node counts from the moment it is asked for
// until it is leaving, as Azure's currentDedicatedNodes does.
const poolRow = `SELECT p.rev, p.tick, p.doc,
	(SELECT count(*) FROM nodes n WHERE n.pool_uid = p.uid AND n.dedicated = 1 AND n.state <> 'leavingpool'),
	(SELECT count(*) FROM nodes n WHERE n.pool_uid = p.uid AND n.dedicated = 0 AND n.state <> 'leavingpool')
	FROM pools p `

var (
	insertPool = define(`
		INSERT INTO pools (uid, account_uid, id_key, state, allocation, target_dedicated, target_low_priority, tick, rev, doc)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9) ON CONFLICT DO NOTHING`)
	poolByID  = define(poolRow + `WHERE p.account_uid = $1 AND p.id_key = $2`)
	poolByUID = define(poolRow + `WHERE p.uid = $1`)
	lockPool  = define(`SELECT uid FROM pools WHERE uid = $1 {lock}`)
	listPools = define(poolRow + `WHERE p.account_uid = $1 AND p.id_key > $2 ORDER BY p.id_key LIMIT $3`)
	// The counts are written out again: SQL has no way to name them in WHERE.
	unsettledPools = define(poolRow + `WHERE p.state <> 'active' OR p.allocation <> 'steady'
		OR p.target_dedicated <> (SELECT count(*) FROM nodes n WHERE n.pool_uid = p.uid AND n.dedicated = 1 AND n.state <> 'leavingpool')
		OR p.target_low_priority <> (SELECT count(*) FROM nodes n WHERE n.pool_uid = p.uid AND n.dedicated = 0 AND n.state <> 'leavingpool')
		ORDER BY p.account_uid, p.id_key`)
	updatePool = define(`
		UPDATE pools SET state = $1, allocation = $2, target_dedicated = $3, target_low_priority = $4, tick = $5, rev = rev + 1, doc = $6
		WHERE uid = $7 AND rev = $8`)
	deletePool = define(`DELETE FROM pools WHERE uid = $1`)
	countPools = define(`SELECT count(*) FROM pools WHERE account_uid = $1`)
	anyNode    = define(`SELECT 1 FROM nodes WHERE pool_uid = $1 LIMIT 1`)
	nodeCounts = define(`
		SELECT n.pool_uid, n.dedicated, n.state, count(*) FROM nodes n JOIN pools p ON p.uid = n.pool_uid
		WHERE p.account_uid = $1 GROUP BY n.pool_uid, n.dedicated, n.state`)
)

type storedPool struct {
	*pool.Pool
	tick resource.Ticks
}

func scanStoredPool(rows *sql.Rows) (s storedPool, err error) {
	p := &pool.Pool{}
	var doc sql.RawBytes
	var rev int64
	if err = rows.Scan(&rev, &s.tick, &doc, &p.CurrentDedicated, &p.CurrentLowPriority); err != nil {
		return s, err
	}
	err = json.Unmarshal(doc, p)
	p.Rev, s.Pool = rev, p
	return s, err
}

func scanPool(rows *sql.Rows) (*pool.Pool, error) {
	s, err := scanStoredPool(rows)
	return s.Pool, err
}

var noPool = fault.New("PoolNotFound", "")

// CreatePool satisfies pool.PoolStore. It fills UID, Rev and the instants the
// caller left out.
func (db *DB) CreatePool(ctx context.Context, p *pool.Pool, by pool.Event) error {
	made := *p
	if made.UID == "" {
		made.UID = newUID()
	}
	key := resource.Fold(made.Spec.ID)
	err := db.write(ctx, func(t *tx) error {
		stampNew(t.now, &made.Created, &made.Modified, &made.StateAt, &made.AllocationAt)
		made.Rev = 1
		n, err := t.exec(insertPool, made.UID, made.AccountUID, key, made.State, made.Allocation,
			int64(made.TargetDedicated), int64(made.TargetLowPriority),
			int64(max(made.Created, made.Modified, made.StateAt, made.AllocationAt)), encode(made))
		if err != nil {
			return err
		}
		if n == 0 {
			return t.poolTaken(made.AccountUID, key)
		}
		t.changed("pool", made.UID, by, "", poolState(&made), 0)
		return nil
	})
	if err == nil {
		*p = made
	}
	return err
}

// poolTaken says why a pool's id cannot be used.
func (t *tx) poolTaken(accountUID, key string) error {
	p, err := one(&t.reader, poolByID, fault.New("PoolExists", ""), scanPool, accountUID, key)
	if err == nil && p.State == pool.Deleting {
		return fault.New("PoolBeingDeleted", "")
	}
	if err == nil {
		return fault.New("PoolExists", "")
	}
	return err
}

// poolState is what events say of a pool: its state and its allocation's.
func poolState(p *pool.Pool) string { return p.State + "/" + p.Allocation }

// GetPool satisfies pool.PoolStore.
func (db *DB) GetPool(ctx context.Context, accountUID, id string) (*pool.Pool, error) {
	return one(db.read(ctx), poolByID, noPool, scanPool, accountUID, resource.Fold(id))
}

// PoolByUID satisfies pool.PoolStore.
func (db *DB) PoolByUID(ctx context.Context, uid string) (*pool.Pool, error) {
	return one(db.read(ctx), poolByUID, noPool, scanPool, uid)
}

// ListPools satisfies pool.PoolStore.
func (db *DB) ListPools(ctx context.Context, accountUID, after string, limit int) ([]*pool.Pool, error) {
	return list(db.read(ctx), listPools, scanPool, accountUID, resource.Fold(after), limit)
}

// UnsettledPools satisfies pool.PoolStore.
func (db *DB) UnsettledPools(ctx context.Context) ([]*pool.Pool, error) {
	return list(db.read(ctx), unsettledPools, scanPool)
}

// UpdatePool satisfies pool.PoolStore.
func (db *DB) UpdatePool(ctx context.Context, uid string, by pool.Event, change func(*pool.Pool) error) (*pool.Pool, error) {
	var p *pool.Pool
	err := db.write(ctx, func(t *tx) error {
		if _, err := one(&t.reader, lockPool, noPool, scanString, uid); err != nil {
			return err
		}
		s, err := one(&t.reader, poolByUID, noPool, scanStoredPool, uid)
		if err != nil {
			return err
		}
		p = s.Pool
		was := *p
		if err := change(p); err != nil {
			return err
		}
		p.UID, p.AccountUID, p.Spec.ID, p.Rev = was.UID, was.AccountUID, was.Spec.ID, was.Rev
		if p.State != was.State && p.StateAt == was.StateAt {
			p.StateAt = 0
		}
		if p.Allocation != was.Allocation && p.AllocationAt == was.AllocationAt {
			p.AllocationAt = 0
		}
		tick := t.advance(s.tick, instant{was.Modified, &p.Modified}, instant{was.StateAt, &p.StateAt},
			instant{was.AllocationAt, &p.AllocationAt})
		err = t.guarded(updatePool, p.State, p.Allocation, int64(p.TargetDedicated), int64(p.TargetLowPriority),
			int64(tick), encode(p), uid, was.Rev)
		if err != nil {
			return err
		}
		p.Rev++
		t.changed("pool", uid, by, poolState(&was), poolState(p), 0)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// RemovePool satisfies pool.PoolStore. A pool that still has nodes gives
// PoolBeingDeleted and stays.
func (db *DB) RemovePool(ctx context.Context, uid string) error {
	return db.write(ctx, func(t *tx) error {
		if _, err := one(&t.reader, lockPool, noPool, scanString, uid); err != nil {
			return err
		}
		p, err := one(&t.reader, poolByUID, noPool, scanPool, uid)
		if err != nil {
			return err
		}
		nodes, err := list(&t.reader, anyNode, scanInt, uid)
		if err != nil {
			return err
		}
		if len(nodes) > 0 {
			return fault.New("PoolBeingDeleted", "")
		}
		t.changed("pool", uid, pool.Event{}, poolState(p), "", 0)
		_, err = t.exec(deletePool, uid)
		return err
	})
}

// CountPools satisfies pool.PoolStore.
func (db *DB) CountPools(ctx context.Context, accountUID string) (int, error) {
	n, err := one(db.read(ctx), countPools, nil, scanInt, accountUID)
	return int(n), err
}

// NodeCounts satisfies pool.PoolStore. A pool without nodes has no entry.
func (db *DB) NodeCounts(ctx context.Context, accountUID string) (map[string]map[bool]map[string]int, error) {
	counts := map[string]map[bool]map[string]int{}
	err := each(db.read(ctx), nodeCounts, func(rows *sql.Rows) (bool, error) {
		var uid, state string
		var dedicated, n int
		if err := rows.Scan(&uid, &dedicated, &state, &n); err != nil {
			return false, err
		}
		kinds := counts[uid]
		if kinds == nil {
			kinds = map[bool]map[string]int{}
			counts[uid] = kinds
		}
		if kinds[dedicated == 1] == nil {
			kinds[dedicated == 1] = map[string]int{}
		}
		kinds[dedicated == 1][state] = n
		return true, nil
	}, accountUID)
	return counts, err
}
