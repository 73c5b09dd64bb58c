package store_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"millpond/internal/job"
)

// BenchmarkRead is what clients ask while a job of some size lies in the table.
func BenchmarkRead(b *testing.B) {
	for _, calls := range []int64{100, 2000} {
		b.Run(fmt.Sprintf("%dk", calls/10), func(b *testing.B) {
			eachDB(b, 1, 100, func(b *testing.B, db *benchDB) {
				for n := range calls {
					_, err := db.AddTasks(b.Context(), db.job.UID, hundred(n))
					check(b, err)
				}
				for range calls / 100 { // one in a hundred is completed
					serve(b, db, db.nodes[0])
				}
				b.Run("task", func(b *testing.B) {
					for b.Loop() {
						_, err := db.GetTask(b.Context(), db.job.UID, fmt.Sprintf("Task-%07d", rand.Int64N(calls*100)))
						check(b, err)
					}
				})
				b.Run("page", func(b *testing.B) {
					for b.Loop() {
						readPage(b, db, "", fmt.Sprintf("task-%07d", rand.Int64N(calls*90)))
					}
				})
				b.Run("completed", func(b *testing.B) {
					for b.Loop() {
						readPage(b, db, job.Completed, "")
					}
				})
				b.Run("counts", func(b *testing.B) {
					for b.Loop() {
						_, err := db.GetJob(b.Context(), "a", "j")
						check(b, err)
					}
				})
			})
		})
	}
}

func readPage(b *testing.B, db *benchDB, state, after string) {
	tasks, err := db.ListTasks(b.Context(), db.job.UID, state, after, 1000)
	check(b, err)
	if len(tasks) < 100 {
		b.Fatal(len(tasks))
	}
}
