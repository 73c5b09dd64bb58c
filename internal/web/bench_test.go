package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A task as clients send it, in the shape of the data plane's.
type (
	benchScope      string
	benchCollection struct {
		Value []benchTask `json:"value,omitzero" wire:"req"`
	}
	benchTask struct {
		ID          *string           `json:"id,omitzero" wire:"req"`
		CommandLine *string           `json:"commandLine,omitzero" wire:"req"`
		DisplayName *string           `json:"displayName,omitzero" wire:"max=1024"`
		Env         []benchEnv        `json:"environmentSettings,omitzero"`
		Files       []benchFile       `json:"resourceFiles,omitzero"`
		Constraints *benchConstraints `json:"constraints,omitzero"`
		Slots       *int32            `json:"requiredSlots,omitzero"`
		User        *benchUser        `json:"userIdentity,omitzero"`
	}
	benchEnv struct {
		Name  *string `json:"name,omitzero" wire:"req"`
		Value *string `json:"value,omitzero"`
	}
	benchFile struct {
		URL  *string `json:"httpUrl,omitzero"`
		Path *string `json:"filePath,omitzero"`
	}
	benchConstraints struct {
		Wall      *Duration `json:"maxWallClockTime,omitzero"`
		Retention *Duration `json:"retentionTime,omitzero"`
		Retries   *int32    `json:"maxTaskRetryCount,omitzero"`
	}
	benchUser struct {
		Auto *struct {
			Scope *benchScope `json:"scope,omitzero"`
		} `json:"autoUser,omitzero"`
	}
)

func hundredTasks() []byte {
	var b strings.Builder
	b.WriteString(`{"value":[`)
	for i := range 100 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"task-%05d","commandLine":"/bin/sh -c 'render --frame %d --out \"frame.png\"'","displayName":"frame %d",`+
			`"environmentSettings":[{"name":"FRAME","value":"%d"},{"name":"QUALITY","value":"high"}],`+
			`"resourceFiles":[{"httpUrl":"https://example.com/scenes/%d.pov","filePath":"scene.pov"}],`+
			`"constraints":{"maxWallClockTime":"PT1H","retentionTime":"P7D","maxTaskRetryCount":2},"requiredSlots":1,"userIdentity":{"autoUser":{"scope":"pool"}}}`, i, i, i, i, i)
	}
	b.WriteString("]}")
	return []byte(b.String())
}

func benchSchema() *Schema {
	return &Schema{Enums: map[string][]string{"benchScope": {"task", "pool"}}}
}

// BenchmarkDecode100 is addtaskcollection's body: ours, strict, against the
// standard library with and without its check for unknown fields.
func BenchmarkDecode100(b *testing.B) {
	body := hundredTasks()
	b.Run("ours", func(b *testing.B) {
		s := benchSchema()
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var v benchCollection
			if err := s.Decode(body, &v, "2024-07-01.20.0"); err != nil || len(v.Value) != 100 {
				b.Fatal(err)
			}
		}
	})
	b.Run("std", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var v benchCollection
			if err := json.Unmarshal(body, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("std-strict", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var v benchCollection
			d := json.NewDecoder(bytes.NewReader(body))
			d.DisallowUnknownFields()
			if err := d.Decode(&v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncode100(b *testing.B) {
	s := benchSchema()
	var v benchCollection
	if err := s.Decode(hundredTasks(), &v, ""); err != nil {
		b.Fatal(err)
	}
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Encode(Envelope{Metadata: "m"}, Values{Items: v.Value}, "2024-07-01.20.0", nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("std", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(&v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	table := NewTable(demoRows, false)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := table.Match(http.MethodGet, "/jobs/j/tasks/t/files/wd%2Fa.txt"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStringToSign(b *testing.B) {
	h := header("Content-Length: 240", "Content-Type: application/json; odata=minimalmetadata; charset=utf-8", "ocp-date: Fri, 20 Nov 2026 15:10:37 GMT")
	b.ReportAllocs()
	for b.Loop() {
		StringToSign("POST", "acct", "/jobs/j/addtaskcollection", "api-version=2024-07-01.20.0&timeout=30", h)
	}
}
