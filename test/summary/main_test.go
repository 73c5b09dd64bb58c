package main

import (
	"strings"
	"testing"
)

func TestSummarise(t *testing.T) {
	tests := []struct {
		name, in string
		want     counts
		shows    []string
		hides    []string
	}{
		{
			name: "pass is silent but for its package and a clients line",
			in: `{"Action":"output","Package":"p","Test":"TestA","Output":"noise\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"3 clients, 0 skipped\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Elapsed":1.5}`,
			want:  counts{passed: 1},
			shows: []string{"ok    p", "3 clients, 0 skipped", "1 passed, 0 failed"},
			hides: []string{"noise"},
		},
		{
			name: "failure shows its output, skip its reason",
			in: `{"Action":"output","Package":"p","Test":"TestA","Output":"got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"no az here\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
{"Action":"fail","Package":"p"}`,
			want:  counts{failed: 1, skipped: 1},
			shows: []string{"--- FAIL: p TestA", "got 1, want 2", "no az here", "1 skipped\n0 passed, 1 failed"},
		},
		{
			name: "a package that does not build is a failure",
			in: `{"Action":"build-output","ImportPath":"p","Output":"p.go:1: undefined\n"}
{"Action":"fail","Package":"p"}`,
			want:  counts{failed: 1},
			shows: []string{"undefined", "FAIL  p"},
		},
		{
			name:  "go test that ends badly without a verdict is a failure",
			in:    `{"Action":"broken"}`,
			want:  counts{failed: 1, broken: true},
			shows: []string{"0 passed, 1 failed"},
		},
		{
			name:  "other lines pass through",
			in:    "panic in the runner",
			want:  counts{},
			shows: []string{"panic in the runner"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			got, err := summarise(strings.NewReader(tt.in), &out)
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("counts %+v, want %+v", got, tt.want)
			}
			for _, s := range tt.shows {
				if !strings.Contains(out.String(), s) {
					t.Errorf("not shown: %q in\n%s", s, out.String())
				}
			}
			for _, s := range tt.hides {
				if strings.Contains(out.String(), s) {
					t.Errorf("shown: %q in\n%s", s, out.String())
				}
			}
		})
	}
}
